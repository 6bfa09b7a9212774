#include "echopath/nn/checkpointing.hpp"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/autocast_mode.h>

#include "echopath/nn/unet.hpp"
#include "nn/compare.hpp"

namespace echopath::nn {
namespace {

using testing::random_tensor;

/// dropout(x W) + time embedding, and what it saw.
class WatchedLayer : public FeatureLayer {
 public:
  explicit WatchedLayer(double dropout) : dropout_(dropout) {
    weight_ = register_parameter("weight", random_tensor({4, 4}, 1));
  }
  torch::Tensor forward(const torch::Tensor& x, const StepContext& step) override {
    ++runs;
    const torch::Tensor inner = at::matmul(x, weight_);
    dtype = inner.scalar_type();
    kept = c10::weak_intrusive_ptr<c10::TensorImpl>(inner.getIntrusivePtr());
    torch::Tensor y = at::dropout(inner.square(), dropout_, /*train=*/true);
    if (step.activated_temb.defined()) y = y + step.activated_temb.value();
    return y;
  }
  const torch::Tensor& weight() const { return weight_; }

  int runs = 0;
  at::ScalarType dtype = at::kFloat;
  c10::weak_intrusive_ptr<c10::TensorImpl> kept{c10::intrusive_ptr<c10::TensorImpl>()};

 private:
  double dropout_;
  torch::Tensor weight_;
};

/// What one forward and backward pass through a block of a watched layer leaves behind.
struct Pass {
  torch::Tensor output, x_gradient, temb_gradient, weight_gradient;
  int runs = 0;
  bool kept_the_inside = false;
  at::ScalarType dtype = at::kFloat;  ///< of the inside, the last time it ran
};

Pass pass(bool checkpointing, double dropout = 0.0, bool autocast = false) {
  const auto layer = std::make_shared<WatchedLayer>(dropout);
  BlockLayers layers;
  layers.resnets = {layer};
  MidBlock block(layers);
  torch::manual_seed(3);
  const torch::Tensor x = random_tensor({2, 3, 5, 4}, 2).requires_grad_();
  const torch::Tensor temb = random_tensor({4}, 4).requires_grad_();
  StepContext step;
  step.activated_temb = temb;
  Pass result;
  {
    const CheckpointingScope scope(checkpointing);
    at::autocast::set_autocast_enabled(at::kCPU, autocast);
    at::autocast::set_autocast_dtype(at::kCPU, at::kBFloat16);
    result.output = block.forward(x, step);
    at::autocast::set_autocast_enabled(at::kCPU, false);
  }
  result.kept_the_inside = !layer->kept.expired();
  const torch::Tensor elsewhere = torch::rand({7});  // the generator goes on in between
  result.output.to(torch::kFloat).square().sum().backward();
  result.x_gradient = x.grad();
  result.temb_gradient = temb.grad();
  result.weight_gradient = layer->weight().grad();
  result.runs = layer->runs;
  result.dtype = layer->dtype;
  return result;
}

void expect_same(const Pass& a, const Pass& b) {
  EXPECT_TRUE(at::equal(a.output, b.output));
  EXPECT_TRUE(at::equal(a.x_gradient, b.x_gradient));
  EXPECT_TRUE(at::equal(a.temb_gradient, b.temb_gradient));
  EXPECT_TRUE(at::equal(a.weight_gradient, b.weight_gradient));
}

TEST(Checkpointing, GivesTheGradientsOfThePlainPassAndKeepsNothingInside) {
  const Pass plain = pass(false), checkpointed = pass(true);
  expect_same(checkpointed, plain);
  EXPECT_EQ(plain.runs, 1);
  EXPECT_TRUE(plain.kept_the_inside);
  EXPECT_EQ(checkpointed.runs, 2);
  EXPECT_FALSE(checkpointed.kept_the_inside);
}

TEST(Checkpointing, DropsTheSameValuesAgainAndLeavesTheGeneratorWhereItWas) {
  const Pass plain = pass(false, 0.5);
  const torch::Tensor after_plain = torch::rand({3});
  const Pass checkpointed = pass(true, 0.5);
  const torch::Tensor after_checkpointed = torch::rand({3});
  expect_same(checkpointed, plain);
  EXPECT_TRUE(at::equal(after_checkpointed, after_plain));
}

TEST(Checkpointing, RunsAgainUnderTheAutocastOfTheFirstTime) {
  const Pass plain = pass(false, 0.0, true), checkpointed = pass(true, 0.0, true);
  expect_same(checkpointed, plain);
  EXPECT_EQ(checkpointed.dtype, at::kBFloat16);
  EXPECT_EQ(checkpointed.runs, 2);
  EXPECT_FALSE(at::autocast::is_autocast_enabled(at::kCPU));
}

TEST(Checkpointing, AWeightsLowPrecisionCopyWithoutGradientsIsNotFoundLater) {
  const torch::Tensor weight = random_tensor({4, 4}, 1).requires_grad_();
  const torch::Tensor x = random_tensor({3, 4}, 2).requires_grad_();
  at::autocast::set_autocast_enabled(at::kCPU, true);
  at::autocast::set_autocast_dtype(at::kCPU, at::kBFloat16);
  const torch::Tensor first =
      checkpoint([&](const std::vector<torch::Tensor>& in) { return at::matmul(in[0], weight); },
                 {x}, {weight});
  const torch::Tensor second = at::matmul(x, weight);
  at::autocast::set_autocast_enabled(at::kCPU, false);
  at::autocast::clear_cache();
  second.to(torch::kFloat).sum().backward();
  EXPECT_TRUE(weight.grad().defined());
}

TEST(Checkpointing, FrozenAndUnusedParametersGetNoGradient) {
  const torch::Tensor used = random_tensor({4}, 1).requires_grad_();
  const torch::Tensor unused = random_tensor({4}, 2).requires_grad_();
  const torch::Tensor frozen = random_tensor({4}, 3);
  const torch::Tensor x = random_tensor({4}, 4).requires_grad_();
  checkpoint([&](const std::vector<torch::Tensor>& in) { return in[0] * used * frozen; }, {x},
             {used, unused, frozen})
      .sum()
      .backward();
  EXPECT_TRUE(at::allclose(used.grad(), x.detach() * frozen));
  EXPECT_FALSE(unused.grad().defined());
  EXPECT_FALSE(frozen.grad().defined());
}

TEST(Checkpointing, IsOffWithoutGradientsAndOutsideOfTheScope) {
  EXPECT_FALSE(CheckpointingScope::active());
  const CheckpointingScope scope(true);
  EXPECT_TRUE(CheckpointingScope::active());
  {
    const CheckpointingScope inner(false);
    EXPECT_FALSE(CheckpointingScope::active());
  }
  const torch::NoGradGuard no_grad;
  EXPECT_FALSE(CheckpointingScope::active());
}

}  // namespace
}  // namespace echopath::nn
