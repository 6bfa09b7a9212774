#include "training/reid_recipe.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>

#include "echopath/core/errors.hpp"
#include "echopath/io/safetensors.hpp"
#include "echopath/models/reid_threshold.hpp"
#include "training/loss_of.hpp"
#include "training/made_latents.hpp"

namespace echopath::training {
namespace {

using ::testing::HasSubstr;

constexpr std::int64_t kSide = 8;

/// numpy.corrcoef of two rows.
double correlation(const at::Tensor& a, const at::Tensor& b) {
  const at::Tensor x = a.to(at::kDouble) - a.to(at::kDouble).mean();
  const at::Tensor y = b.to(at::kDouble) - b.to(at::kDouble).mean();
  return ((x * y).sum() / (x.norm() * y.norm())).item<double>();
}

/// For every row of `from`, its largest correlation with a row of `against`, in ascending order.
std::vector<double> largest_correlations(const at::Tensor& from, const at::Tensor& against) {
  std::vector<double> largest;
  for (const at::Tensor& row : from.unbind()) {
    double best = -2.0;
    for (const at::Tensor& other : against.unbind()) best = std::max(best, correlation(row, other));
    largest.push_back(best);
  }
  std::sort(largest.begin(), largest.end());
  return largest;
}

double softplus(double x) {
  return std::log1p(std::exp(x));
}

class ReidRecipeTest : public MadeLatents {
 protected:
  void SetUp() override {
    MadeLatents::SetUp();
    for (int i = 0; i < 5; ++i) videos_.push_back(made_video(i, "TRAIN", 3, kSide));
    for (int i = 5; i < 7; ++i) videos_.push_back(made_video(i, "VAL", 3, kSide));
    for (int i = 7; i < 11; ++i) videos_.push_back(made_video(i, "TEST", 3, kSide));
    write(videos_);
  }

  ReidOptions options(std::vector<std::string> overrides = {}) const {
    overrides.insert(overrides.begin(), "data.latents=" + latents().string());
    return toy_options<ReidOptions>("reid", overrides);
  }

  /// Embeddings of the first frame of every video of a split, normalised over the frame or over the
  /// whole video.
  at::Tensor embeddings(Recipe& recipe, const std::string& split, bool whole_video) const {
    torch::NoGradGuard no_grad;
    std::vector<at::Tensor> frames;
    for (const MadeVideo& video : videos_) {
      if (video.study.split != split) continue;
      const at::Tensor range = whole_video ? video.mean : video.mean[0];
      frames.push_back((video.mean[0] - range.min()) / (range.max() - range.min()) * 2.0 - 1.0);
    }
    const auto network = module_of<models::ReIdNetImpl>(recipe, "reid");
    network->eval();
    return network->embed(at::stack(frames));
  }

  /// The threshold that an untrained network gets, whose embeddings are to be those expected.
  double tau(const std::vector<std::string>& overrides, std::unique_ptr<ReidRecipe>& recipe) const {
    torch::manual_seed(1);
    std::vector<std::string> all = {"threshold.embedding_frames=1", "threshold.percentile=0"};
    all.insert(all.end(), overrides.begin(), overrides.end());
    recipe = std::make_unique<ReidRecipe>(options(all), at::kCPU);
    recipe->export_model(folder_ / "model", 7);
    return models::read_reid_threshold(folder_ / "model/reid/threshold.json").tau;
  }

  /// Sets the pair's logit to bias + weight · Σ|a − b|.
  static void set_head(ReidRecipe& recipe, double weight, double bias) {
    torch::NoGradGuard no_grad;
    const auto network = module_of<models::ReIdNetImpl>(recipe, "reid");
    network->eval();
    for (auto& item : network->named_parameters()) {
      if (item.key() == "fc_end.weight") item.value().fill_(weight);
      if (item.key() == "fc_end.bias") item.value().fill_(bias);
    }
  }
  static double loss(ReidRecipe& recipe, std::int64_t step) {
    torch::NoGradGuard no_grad;
    Figures figures;
    return loss_of(recipe, 0, {step, {0}}, figures).item<double>();
  }

  std::vector<MadeVideo> videos_;
};

TEST_F(ReidRecipeTest, LatentsThatAreNotFiniteStayOutOfTheGate) {
  std::unique_ptr<ReidRecipe> recipe;
  const double whole = tau({}, recipe);
  MadeVideo damaged = made_video(20, "TRAIN", 3, kSide);
  damaged.mean[1][0][0][0] = std::nan("");
  videos_.push_back(damaged);
  write(videos_);
  ::testing::internal::CaptureStdout();
  EXPECT_EQ(tau({}, recipe), whole);
  EXPECT_THAT(::testing::internal::GetCapturedStdout(),
              HasSubstr("'" + damaged.study.file_name + "' holds latents that are not finite"));
  torch::NoGradGuard no_grad;
  for (at::Tensor& weight : recipe->modules(0).front().module->parameters()) {
    weight.fill_(std::nan(""));
  }
  EXPECT_THROW(recipe->export_model(folder_ / "other", 7), DataError);
  EXPECT_FALSE(std::filesystem::exists(folder_ / "other/reid"));
}

TEST_F(ReidRecipeTest, TauIsTakenOverTheFramesOfTheSideAskedFor) {
  std::unique_ptr<ReidRecipe> recipe;
  // Percentile 0 is the smallest, percentile 100 the largest of the largest correlations.
  const double over_val = tau({"compatibility.privacy_calibration=validation"}, recipe);
  const at::Tensor train = embeddings(*recipe, "TRAIN", false);
  const at::Tensor val = embeddings(*recipe, "VAL", false);
  const std::vector<double> of_val = largest_correlations(val, train);
  const std::vector<double> of_train = largest_correlations(train, val);
  EXPECT_NEAR(over_val, of_val.front(), 1e-5);
  EXPECT_NEAR(tau({"compatibility.privacy_calibration=training"}, recipe), of_train.front(), 1e-5);
  EXPECT_GT(std::abs(of_val.front() - of_train.front()), 1e-4);
  EXPECT_NEAR(
      tau({"compatibility.privacy_calibration=training", "threshold.percentile=50"}, recipe),
      of_train[2], 1e-5);
  const auto kept = io::load_safetensors(folder_ / "model/reid/train_embeddings.safetensors");
  EXPECT_TRUE(at::allclose(kept.at("embeddings"), train, 1e-5, 1e-6));
}

TEST_F(ReidRecipeTest, ValidationGivesTheAucWithItsInterval) {
  // TEST joins VAL: an interval over two patients says little.
  for (MadeVideo& video : videos_) {
    if (video.study.split == "TEST") video.study.split = "VAL";
  }
  write(videos_);
  torch::manual_seed(1);
  ReidRecipe recipe(options(), at::kCPU);
  torch::NoGradGuard no_grad;
  const Figures figures = recipe.validate();
  ASSERT_EQ(figures.size(), 4U);
  EXPECT_EQ(figures[0].first, "val_loss");
  EXPECT_EQ(figures[1].first, "val_auc");
  EXPECT_EQ(figures[2].first, "val_auc_low");
  EXPECT_EQ(figures[3].first, "val_auc_high");
  EXPECT_LT(figures[2].second, figures[1].second);
  EXPECT_GT(figures[3].second, figures[1].second);
  EXPECT_EQ(recipe.validate(), figures);
}

// EchoNet-Synthetic: percentile over TRAIN of the largest correlation with TEST, first frames,
// minimum and maximum over the whole video.
TEST_F(ReidRecipeTest, PublishedTauIsThatOfTrainingFramesAgainstTestFrames) {
  std::unique_ptr<ReidRecipe> recipe;
  const double published =
      tau({"compatibility.privacy_calibration=training", "compatibility.privacy_split=TEST",
           "compatibility.privacy_normalisation=video", "threshold.percentile=95"},
          recipe);
  const at::Tensor train = embeddings(*recipe, "TRAIN", true);
  const std::vector<double> largest =
      largest_correlations(train, embeddings(*recipe, "TEST", true));
  // numpy.percentile of five values: 95 % lies at 3.8 of 0…4.
  EXPECT_NEAR(published, largest[3] + 0.8 * (largest[4] - largest[3]), 1e-5);
  const std::vector<double> of_val = largest_correlations(train, embeddings(*recipe, "VAL", true));
  EXPECT_GT(std::abs(of_val[3] + 0.8 * (of_val[4] - of_val[3]) - published), 1e-5);
}

TEST_F(ReidRecipeTest, SplitOfTheThresholdMustBeThere) {
  for (MadeVideo& video : videos_) {
    if (video.study.split == "TEST") video.study.split = "TRAIN";
  }
  write(videos_);
  EXPECT_NO_THROW(ReidRecipe(options(), at::kCPU));
  try {
    ReidRecipe recipe(options({"compatibility.privacy_split=TEST"}), at::kCPU);
    FAIL() << "accepted";
  } catch (const DataError& error) {
    EXPECT_THAT(error.what(), HasSubstr("no video in split TEST"));
  }
}

TEST_F(ReidRecipeTest, HalfOfThePairsAreOfOnePatientAndNeverOneFrameTwice) {
  ReidRecipe recipe(options({"training.batch_size=1"}), at::kCPU);
  constexpr int kSteps = 200;
  constexpr double kBias = 3.0;
  int positive = 0;
  for (int step = 0; step < kSteps; ++step) {
    // A head that sees no difference tells the label by its loss.
    set_head(recipe, 0.0, kBias);
    const double blind = loss(recipe, step);
    const bool same = std::abs(blind - softplus(-kBias)) < 1e-5;
    if (!same) {
      ASSERT_NEAR(blind, softplus(kBias), 1e-5);
    }
    positive += same ? 1 : 0;
    // One that sees any difference answers "another" to two frames that differ.
    set_head(recipe, -1e4, kBias);
    const double seeing = loss(recipe, step);
    if (same) {
      EXPECT_GT(seeing, 1.0) << "a frame was paired with itself at step " << step;
    } else {
      EXPECT_LT(seeing, 0.1) << "two patients with one frame at step " << step;
    }
  }
  // Four standard deviations of the binomial distribution.
  EXPECT_NEAR(positive, 0.5 * kSteps, 4.0 * std::sqrt(0.25 * kSteps));
}

TEST_F(ReidRecipeTest, NegativePairsAreOfTwoPatients) {
  // Two patients; the second has one video, so that every negative pair holds it.
  for (MadeVideo& video : videos_) {
    if (video.study.split == "TRAIN") video.study.patient_id = "one";
  }
  videos_[4].study.patient_id = "two";
  // All frames of the first patient are equal, all of the second too.
  for (std::size_t i = 0; i < 5; ++i) {
    videos_[i].mean = videos_[i == 4 ? 4 : 0].mean.slice(0, 0, 1).expand({3, -1, -1, -1});
  }
  write(videos_);
  ReidRecipe recipe(options({"training.batch_size=1"}), at::kCPU);
  set_head(recipe, -1e4, 3.0);
  for (int step = 0; step < 60; ++step) {
    // One patient: no difference, softplus(-3). Two: a difference, nearly nothing.
    const double value = loss(recipe, step);
    EXPECT_TRUE(std::abs(value - softplus(-3.0)) < 1e-5 || value < 1e-5) << value;
  }
}

}  // namespace
}  // namespace echopath::training
