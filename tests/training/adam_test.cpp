#include "echopath/training/adam.hpp"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include "echopath/core/errors.hpp"
#include "echopath/training/ema.hpp"

namespace echopath::training {
namespace {

at::Tensor parameter(const at::Tensor& value) {
  return value.clone().requires_grad_(true);
}

void set_gradient(const at::Tensor& weight, int step) {
  weight.mutable_grad() = at::sin(weight.detach() * (step + 1.0)) + 0.1 * step;
}

/// Ten steps of ours and of LibTorch's optimizer on the same gradients.
template <class Reference, class ReferenceOptions>
void expect_same_as(const ReferenceOptions& reference_options, const AdamOptions& options) {
  torch::manual_seed(3);
  const at::Tensor start = at::randn({5, 4});
  at::Tensor ours = parameter(start), theirs = parameter(start);
  Adam adam({{"w", ours}}, options);
  Reference reference({theirs}, reference_options);
  for (int step = 0; step < 10; ++step) {
    set_gradient(ours, step);
    set_gradient(theirs, step);
    adam.step(1e-2);
    reference.step();
  }
  EXPECT_LT((ours - theirs).abs().max().item<double>(), 1e-6);
  EXPECT_GT((ours - start).abs().max().item<double>(), 1e-2);
}

TEST(Adam, EqualsLibTorchsAdam) {
  expect_same_as<torch::optim::Adam>(torch::optim::AdamOptions(1e-2).weight_decay(0.1),
                                     {0.9, 0.999, 1e-8, 0.1, false});
}

TEST(Adam, WithDecoupledDecayEqualsLibTorchsAdamW) {
  expect_same_as<torch::optim::AdamW>(torch::optim::AdamWOptions(1e-2).weight_decay(0.1),
                                      {0.9, 0.999, 1e-8, 0.1, true});
}

TEST(Adam, StateSavedAndLoadedContinuesBitExactly) {
  at::Tensor a = parameter(at::linspace(-1, 1, 6)), b = parameter(at::linspace(-1, 1, 6));
  Adam first({{"w", a}}, {});
  for (int step = 0; step < 3; ++step) {
    set_gradient(a, step);
    first.step(1e-2);
  }
  Adam second({{"w", b}}, {});
  second.load_state(first.state(), "test");
  b.detach().copy_(a.detach());
  set_gradient(a, 3);
  set_gradient(b, 3);
  first.step(1e-2);
  second.step(1e-2);
  EXPECT_TRUE(at::equal(a, b));
  EXPECT_THROW(second.load_state({}, "test"), DataError);
}

TEST(Adam, ClipsTheWholeGradientsNorm) {
  at::Tensor a = parameter(at::zeros({1})), b = parameter(at::zeros({1}));
  Adam adam({{"a", a}, {"b", b}}, {});
  a.mutable_grad() = at::full({1}, 3.0F);
  b.mutable_grad() = at::full({1}, 4.0F);
  EXPECT_NEAR(adam.clip_grad_norm(1.0), 5.0, 1e-6);
  EXPECT_NEAR(a.grad().item<double>(), 0.6, 1e-5);
  EXPECT_NEAR(b.grad().item<double>(), 0.8, 1e-5);
}

TEST(Ema, WarmsUpLikeDiffusers) {
  // min(decay, n / (n + 9)), and 0 at the first step.
  EXPECT_EQ(Ema::decay_at(1, 0.9999), 0.0);
  EXPECT_NEAR(Ema::decay_at(5000, 0.9999), 0.99820, 5e-6);
  EXPECT_EQ(Ema::decay_at(100000, 0.9999), 0.9999);
}

TEST(Ema, AveragesAndSwaps) {
  at::Tensor w = parameter(at::zeros({1}));
  Ema ema({{"w", w}}, 0.9999);
  w.detach().fill_(1.0);
  ema.update(1);  // copies
  w.detach().fill_(2.0);
  ema.update(2);  // decay 2/11
  {
    EmaScope scope(ema);
    EXPECT_NEAR(w.item<double>(), 2.0 / 11 * 1.0 + 9.0 / 11 * 2.0, 1e-6);
  }
  EXPECT_EQ(w.item<double>(), 2.0);
}

}  // namespace
}  // namespace echopath::training
