#include "training/objective.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "echopath/io/safetensors.hpp"
#include "training/validate.hpp"

namespace echopath::training {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

ObjectiveOptions objective_of(const std::string& prediction_type,
                              const std::string& weighting = "uniform") {
  ObjectiveOptions options;
  options.schedule.prediction_type = prediction_type;
  options.loss_weighting = weighting;
  return options;
}

MicroBatch batch_of(std::int64_t size) {
  MicroBatch batch{7, std::vector<std::int64_t>(static_cast<std::size_t>(size))};
  std::iota(batch.positions.begin(), batch.positions.end(), 0);
  return batch;
}

/// The tensors of tests/fixtures/training/objective.safetensors.
class Objective : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    fixture_ = io::load_safetensors(fs::path(ECHOPATH_SOURCE_DIR) /
                                    "tests/fixtures/training/objective.safetensors");
    for (const char* name : {"x0", "noise", "timesteps", "valid"}) {
      batch_.tensors[name] = fixture_.at(name);
    }
  }
  at::Tensor expected(const std::string& name) const {
    return fixture_.at(GetParam() + ("." + name));
  }
  /// The loss under a weighting is diffusers'.
  void check(const std::string& weighting) const {
    DiffusionLoss loss(objective_of(GetParam(), weighting));
    const double wanted = expected(weighting).item<double>();
    EXPECT_NEAR(loss.training_loss(batch_, fixture_.at("output")).item<double>(), wanted,
                1e-5 * wanted);
  }

  io::TensorMap fixture_;
  Batch batch_;
};

TEST_P(Objective, IsDiffusers) {
  const DiffusionLoss loss(objective_of(GetParam()));
  EXPECT_TRUE(at::allclose(loss.noisy(batch_), expected("noisy"), 1e-5, 1e-6));
  EXPECT_TRUE(at::allclose(loss.errors(batch_, fixture_.at("output")).to(at::kDouble),
                           expected("errors"), 1e-5));
  check("uniform");
  if (std::string(GetParam()) != "flow_prediction") check("min_snr");
}

TEST_P(Objective, RemembersTheUnweightedLossOfEachItemWithItsLevel) {
  DiffusionLoss loss(objective_of(
      GetParam(), std::string(GetParam()) == "flow_prediction" ? "uniform" : "min_snr"));
  EXPECT_TRUE(loss.take_losses_by_level().empty());
  loss.training_loss(batch_, fixture_.at("output"));
  loss.training_loss(batch_, fixture_.at("output"));
  const std::vector<LossAtLevel> losses = loss.take_losses_by_level();
  ASSERT_EQ(losses.size(), 10U);
  for (std::size_t i = 0; i < 10; ++i) {
    const auto item = static_cast<std::int64_t>(i % 5);
    EXPECT_EQ(losses[i].level, fixture_.at("timesteps")[item].item<double>() / 1000.0);
    EXPECT_NEAR(losses[i].loss, expected("errors")[item].item<double>(), 1e-5);
  }
  EXPECT_TRUE(loss.take_losses_by_level().empty());
}

TEST_P(Objective, IsZeroForTheRightAnswerWhateverTheNoise) {
  const DiffusionLoss loss(objective_of(GetParam()));
  // The answer from which the clean sample is got back.
  const diffusion::NoiseSchedule schedule(objective_of(GetParam()).schedule);
  const at::Tensor answer = schedule.target(batch_.tensors.at("x0"), batch_.tensors.at("noise"),
                                            fixture_.at("timesteps"));
  EXPECT_LE(loss.errors(batch_, answer).max().item<double>(), 0.0);
  EXPECT_TRUE(at::allclose(
      schedule.predict_x0(answer, loss.noisy(batch_), fixture_.at("timesteps")).slice(0, 0, 3),
      batch_.tensors.at("x0").slice(0, 0, 3), 1e-3, 1e-3));
}

INSTANTIATE_TEST_SUITE_P(EveryPredictionType, Objective,
                         ::testing::Values("epsilon", "v_prediction", "sample", "flow_prediction"));

/// A batch whose target is `differences` away from an answer of zeros, at the last noise level.
Batch batch_with_target(const at::Tensor& target) {
  Batch batch;
  const auto size = target.size(0);
  batch.tensors["x0"] = at::zeros_like(target);
  batch.tensors["noise"] = target;
  batch.tensors["timesteps"] = at::full({size}, 999, at::kLong);
  return batch;
}

double loss_over_scales(const at::Tensor& noise, std::int64_t scales) {
  ObjectiveOptions options = objective_of("epsilon");
  options.loss_scales = scales;
  return DiffusionLoss(options)
      .training_loss(batch_with_target(noise), at::zeros_like(noise))
      .item<double>();
}

TEST(LossScales, AreWeighedTwiceTheScaleBefore) {
  // A checkerboard is gone at the second scale; one that alternates every two cells at the third.
  const at::Tensor index = at::arange(8);
  const at::Tensor fine = (1 - 2 * ((index.view({8, 1}) + index) % 2)).to(at::kFloat);
  const at::Tensor coarse =
      (1 - 2 * ((index.view({8, 1}).div(2, "floor") + index.div(2, "floor")) % 2)).to(at::kFloat);
  const auto item = [](const at::Tensor& map) { return map.expand({2, 3, 4, 8, 8}); };
  EXPECT_DOUBLE_EQ(loss_over_scales(item(fine), 1), 1.0);
  EXPECT_NEAR(loss_over_scales(item(fine), 3), 1.0 / 7.0, 1e-6);
  EXPECT_NEAR(loss_over_scales(item(coarse), 3), 3.0 / 7.0, 1e-6);
  EXPECT_NEAR(loss_over_scales(item(at::ones({8, 8})), 3), 1.0, 1e-6);
}

TEST(LossScales, AverageAnOddEdgeOverTheCellsThatAreThere) {
  // 3x3 cells become 2x2: the corner alone, the edges of two, the square of four.
  at::Tensor map = at::zeros({1, 4, 3, 3});
  map.index_put_({at::indexing::Slice(), at::indexing::Slice(), 2, 2}, 1.0);
  EXPECT_NEAR(loss_over_scales(map, 2), (1.0 / 9.0 + 2.0 * (1.0 / 4.0)) / 3.0, 1e-6);
}

TEST(LossScales, KeepThePlainErrorForTheRecord) {
  ObjectiveOptions options = objective_of("epsilon");
  options.loss_scales = 4;
  DiffusionLoss loss(options);
  const at::Tensor noise = at::randn({2, 4, 14, 14});
  loss.training_loss(batch_with_target(noise), at::zeros_like(noise));
  const std::vector<LossAtLevel> losses = loss.take_losses_by_level();
  ASSERT_EQ(losses.size(), 2U);
  EXPECT_NEAR(losses[1].loss, noise[1].square().mean().item<double>(), 1e-6);
}

TEST(DiffusionLossMemory, HoldsNoMoreThanTheLatestFewThousand) {
  DiffusionLoss loss(objective_of("epsilon"));
  const at::Tensor values = at::zeros({1000, 1});
  for (std::int64_t t = 0; t < 20; ++t) {
    Batch batch;
    batch.tensors = {{"x0", values}, {"noise", values}, {"timesteps", at::full({1000}, t)}};
    loss.training_loss(batch, values);
  }
  const std::vector<LossAtLevel> losses = loss.take_losses_by_level();
  EXPECT_EQ(losses.size(), 16000U);
  EXPECT_EQ(losses.front().level, 0.004);
  EXPECT_EQ(losses.back().level, 0.019);
}

TEST(ValidationByLevel, ListsTheMeanThenEachLevel) {
  ValidationByLevel losses;
  losses.add(125, at::tensor({1.0F, 2.0F}));
  losses.add(875, at::tensor({4.0F, 5.0F}));
  const Figures figures = losses.figures();
  ASSERT_EQ(figures.size(), 3U);
  EXPECT_EQ(figures[0], (std::pair<std::string, double>("val_loss", 3.0)));
  EXPECT_EQ(figures[1], (std::pair<std::string, double>("val_loss/t=125", 1.5)));
  EXPECT_EQ(figures[2], (std::pair<std::string, double>("val_loss/t=875", 4.5)));
}

TEST(FixedTimestep, IsTheMiddleOfItsPartOfTheSchedule) {
  const DiffusionLoss loss(objective_of("v_prediction"));
  EXPECT_EQ(loss.fixed_timestep(0, 4), 125);
  EXPECT_EQ(loss.fixed_timestep(3, 4), 875);
  EXPECT_EQ(loss.fixed_timestep(7, 8), 937);
}

/// Share of logit-normal timesteps below a place of the schedule.
double share_below(double place, double mean, double deviation, const std::string& prediction) {
  ObjectiveOptions options = objective_of(prediction);
  options.timestep_sampling = "logit_normal";
  options.logit_normal_mean = mean;
  options.logit_normal_deviation = deviation;
  const at::Tensor t = ObjectiveDraws(options, {}, 3).timesteps(batch_of(4000));
  EXPECT_GE(t.min().item<std::int64_t>(), options.schedule.first_timestep());
  EXPECT_LE(t.max().item<std::int64_t>(), options.schedule.first_timestep() + 999);
  const double edge = place * 1000.0 + static_cast<double>(options.schedule.first_timestep());
  return (t.to(at::kDouble) < edge).to(at::kDouble).mean().item<double>();
}

TEST(LogitNormalTimesteps, HaveTheQuantilesOfTheirDistribution) {
  constexpr double kFourDeviations = 4.0 * 0.5 / 63.2;  // of a share among 4000
  const auto logistic = [](double z) { return 1.0 / (1.0 + std::exp(-z)); };
  for (const char* prediction : {"v_prediction", "flow_prediction"}) {
    // The logit is below m + s·z for a share Φ(z): Φ(0) = 0.5, Φ(1) = 0.8413, Φ(−1) = 0.1587.
    for (const auto& [mean, deviation] : {std::pair(0.0, 1.0), {-0.6, 0.5}, {0.8, 2.0}}) {
      EXPECT_NEAR(share_below(logistic(mean), mean, deviation, prediction), 0.5, kFourDeviations);
      EXPECT_NEAR(share_below(logistic(mean + deviation), mean, deviation, prediction), 0.8413,
                  kFourDeviations);
      EXPECT_NEAR(share_below(logistic(mean - deviation), mean, deviation, prediction), 0.1587,
                  kFourDeviations);
    }
  }
}

TEST(LogitNormalTimesteps, DependOnStepAndPositionAlone) {
  ObjectiveOptions options = objective_of("v_prediction");
  options.timestep_sampling = "logit_normal";
  const ObjectiveDraws draws(options, {}, 3);
  const at::Tensor whole = draws.timesteps({7, {0, 1, 2, 3}});
  EXPECT_TRUE(at::equal(draws.timesteps({7, {2, 3}}), whole.slice(0, 2)));
  EXPECT_FALSE(at::equal(draws.timesteps({8, {0, 1, 2, 3}}), whole));
}

TEST(LogitNormalTimesteps, ExtremeLogitsStayInTheSchedule) {
  EXPECT_EQ(share_below(0.999, 50.0, 1.0, "v_prediction"), 0.0);
  EXPECT_EQ(share_below(0.001, -50.0, 1.0, "flow_prediction"), 1.0);
}

TEST(ReferenceDropout, HasItsRateAndIsIndependentOfTheClassDropout) {
  constexpr std::int64_t kItems = 4000;
  ObjectiveOptions options;
  options.class_dropout = 0.5;
  const ObjectiveDraws draws(options, {}, 3);
  const at::Tensor dropped =
      draws.drop_conditions(at::zeros({kItems}, at::kLong), batch_of(kItems), 1);
  int references = 0, both = 0;
  for (std::int64_t i = 0; i < kItems; ++i) {
    if (!draws.drops(GivenPart::kReference, 0.3, 7, i)) continue;
    ++references;
    both += static_cast<int>(dropped[i].item<std::int64_t>());
  }
  EXPECT_NEAR(references, 1200, 4 * 29);  // four deviations of the binomial distribution
  EXPECT_NEAR(both, 600, 4 * 23);
  EXPECT_FALSE(draws.drops(GivenPart::kReference, 0.0, 7, 0));
  EXPECT_TRUE(draws.drops(GivenPart::kReference, 1.0, 7, 0));
}

TEST(MinSnrWeighting, IsRefusedForAFlowByName) {
  LidmOptions options;
  options.diffusion = objective_of("flow_prediction", "min_snr");
  try {
    validate(options);
    FAIL() << "no error";
  } catch (const ConfigError& error) {
    EXPECT_THAT(error.what(),
                AllOf(HasSubstr("diffusion.loss_weighting"), HasSubstr("flow_prediction")));
  }
}

TEST(ObjectiveDraws, FramesOfAClipShareTheCorrelatedPartOfTheNoiseByItem) {
  const ObjectiveDraws draws({}, {}, 3);
  const MicroBatch batch{7, {4, 5}};
  const at::Tensor noise = draws.noise(batch, {6, 4, 2, 2}, 1, 0.36);
  for (std::int64_t i = 0; i < 2; ++i) {
    const auto position = static_cast<std::uint32_t>(batch.positions[static_cast<std::size_t>(i)]);
    const at::Tensor own = normal_tensor({6, 4, 2, 2}, {3, Stream::kTrainingNoise, 7, position});
    const at::Tensor shared = normal_tensor({1, 4, 2, 2}, {3, Stream::kSharedNoise, 7, position});
    EXPECT_TRUE(at::allclose(noise[i], 0.8 * own + 0.6 * shared, 0.0, 1e-6)) << i;
  }
}

}  // namespace
}  // namespace echopath::training
