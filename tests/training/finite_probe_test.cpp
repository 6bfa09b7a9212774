#include "training/finite_probe.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "training/autocast.hpp"

namespace echopath::training {
namespace {

using ::testing::HasSubstr;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// Two layers with something between them.
class FiniteProbe : public ::testing::Test {
 protected:
  void SetUp() override {
    torch::manual_seed(1);
    network_->push_back("first", first_);
    network_->push_back("norm", norm_);
    network_->push_back("last", last_);
  }

  /// Items 0…7 are images of ones; `change` may alter them.
  Batch load(const MicroBatch& at) const {
    Batch batch{at, {}, {}};
    std::vector<at::Tensor> images;
    for (const std::int64_t position : at.positions) {
      images.push_back(at::ones({2, 4, 4}));
      if (position == bad_item) images.back()[0][0][0] = bad_value;
      batch.items.push_back("video_" + std::to_string(position) + ".avi");
    }
    batch.tensors["x"] = at::stack(images);
    return batch;
  }
  std::string explain(const std::function<at::Tensor(const at::Tensor& x)>& loss) {
    return explain_not_finite({{"net", network_.ptr()}},
                              {load({5, {0, 1, 2, 3}}), load({5, {4, 5, 6, 7}})},
                              {[this](const MicroBatch& at) { return load(at); },
                               [&](const Batch& batch) { return loss(batch.tensors.at("x")); }});
  }

  torch::nn::Conv2d first_{torch::nn::Conv2dOptions(2, 4, 3).padding(1)};
  torch::nn::GroupNorm norm_{2, 4};
  torch::nn::Conv2d last_{torch::nn::Conv2dOptions(4, 2, 1)};
  torch::nn::Sequential network_;
  std::int64_t bad_item = -1;
  double bad_value = 0.0;
};

TEST_F(FiniteProbe, SaysNothingOfFinitePasses) {
  EXPECT_EQ(explain([&](const at::Tensor& x) { return last_(first_(x)).square().mean(); }), "");
  EXPECT_FALSE(first_->weight.grad().defined());
}

TEST_F(FiniteProbe, NamesTheTensorOfTheDataAndTheItem) {
  bad_item = 6;
  bad_value = kInfinity;
  EXPECT_EQ(explain([&](const at::Tensor& x) { return first_(x).square().mean(); }),
            "first the data, in its tensor 'x'; items: video_6.avi");
}

TEST_F(FiniteProbe, NamesTheLayerWhoseOutputOverflowsAndTheItem) {
  bad_item = 1;
  bad_value = 3e38;
  torch::NoGradGuard no_grad;
  first_->weight.fill_(100.0);
  at::AutoGradMode with_grad(true);
  EXPECT_EQ(explain([&](const at::Tensor& x) { return last_(first_(x)).mean(); }),
            "first the output of 'net.first'; items: video_1.avi");
}

TEST_F(FiniteProbe, NamesTheLayerThatIsGivenWhatIsNotFinite) {
  bad_item = 3;
  bad_value = 100.0;
  EXPECT_EQ(explain([&](const at::Tensor& x) { return last_(first_(at::exp(x))).mean(); }),
            "first the input of 'net.first'; items: video_3.avi");
}

TEST_F(FiniteProbe, NamesAParameter) {
  torch::NoGradGuard no_grad;
  last_->weight[0][0][0][0] = kInfinity;
  at::AutoGradMode with_grad(true);
  EXPECT_THAT(explain([&](const at::Tensor& x) { return last_(first_(x)).square().mean(); }),
              HasSubstr("first the parameter 'net.last.weight'; items: video_0.avi, video_1.avi"));
}

TEST_F(FiniteProbe, NamesTheLayerThatABadGradientReachesFirst) {
  // The root of zero is finite, its slope is not.
  EXPECT_THAT(explain([&](const at::Tensor& x) {
                return last_(norm_(first_(x))).mul(0.0).abs().sqrt().mean();
              }),
              HasSubstr("first the gradient that reaches 'net.last'; items: "));
}

TEST_F(FiniteProbe, FindsTheLayerUnderAutocast) {
  bad_item = 2;
  bad_value = 60000.0;  // finite in float16, three times nine of it are not
  torch::NoGradGuard no_grad;
  first_->weight.fill_(3.0);
  at::AutoGradMode with_grad(true);
  const AutocastScope autocast = autocast_scope("fp16", at::kCPU);
  EXPECT_EQ(
      explain([&](const at::Tensor& x) { return last_(first_(x)).to(at::kFloat).square().mean(); }),
      "first the output of 'net.first'; items: video_2.avi");
}

TEST_F(FiniteProbe, BlamesTheLossWhereTheLayersAreFinite) {
  EXPECT_THAT(explain([&](const at::Tensor& x) { return first_(x).mean() * kInfinity; }),
              HasSubstr("first the loss itself, behind the last layer"));
}

}  // namespace
}  // namespace echopath::training
