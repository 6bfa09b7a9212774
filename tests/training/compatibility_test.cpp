// The reproduction switches of training that no recipe's own tests cover, against the correct
// behaviour: they differ as the published code does.
#include "echopath/models/compatibility.hpp"

#include <numeric>

#include "echopath/models/reid_threshold.hpp"
#include "training/latent_source.hpp"
#include "training/loss_of.hpp"
#include "training/lvdm_recipe.hpp"
#include "training/made_latents.hpp"
#include "training/objective.hpp"
#include "training/reid_recipe.hpp"

namespace echopath::training {
namespace {

using models::Compatibility;

/// The share of conditions that are dropped where the option says `option`.
double dropped_share(const std::string& compatibility_value, double option) {
  constexpr std::int64_t kItems = 4000, kNull = 4;
  ObjectiveOptions options;
  options.class_dropout = option;
  Compatibility compatibility;
  compatibility.class_dropout = compatibility_value;
  MicroBatch batch{3, std::vector<std::int64_t>(kItems)};
  std::iota(batch.positions.begin(), batch.positions.end(), 0);
  const at::Tensor labels = ObjectiveDraws(options, compatibility, 42)
                                .drop_conditions(at::zeros({kItems}, at::kLong), batch, kNull);
  return labels.eq(kNull).to(at::kDouble).mean().item<double>();
}

// EchoNet-Synthetic draws a mask that it never applies; EchoPath's config misspells the key, so
// that the code's default of 0.3 holds.
TEST(CompatibilityClassDropout, IsNoneOrThreeTenthsWhateverTheOptionSays) {
  constexpr double kFourDeviations = 4.0 * 0.0073;  // of a share of 4000, at most
  EXPECT_NEAR(dropped_share("option", 0.1), 0.1, kFourDeviations);
  EXPECT_EQ(dropped_share("never", 0.1), 0.0);
  EXPECT_NEAR(dropped_share("misspelt_key", 0.1), 0.3, kFourDeviations);
  EXPECT_NEAR(dropped_share("misspelt_key", 0.0), 0.3, kFourDeviations);
}

class CompatibilityTraining : public MadeLatents {};

// The published latents hold one draw, frozen on disk; ours keep the posterior, so that every use
// draws anew, and the mean is what varies with no seed.
TEST_F(CompatibilityTraining, PosteriorMeanHasNoSpread) {
  MadeVideo video = made_video(0, "TRAIN", 6, 8);
  constexpr double kDeviation = 0.5;
  const at::Tensor logvar = at::full_like(video.mean, 2.0 * std::log(kDeviation));
  write({video});
  data::write_latents(latents(), video.study, {video.mean, logvar}, kMadeScale,
                      std::string(64, 'a'));
  LatentDataOptions options;
  options.latents = latents().string();
  options.classes = {"ASD"};
  const auto deviation = [&](const std::string& posterior, std::uint32_t step) {
    Compatibility compatibility;
    compatibility.posterior = posterior;
    const LatentSource source(options, compatibility);
    return source.frames(source.train()[0], 0, 6, {1, Stream::kPosterior, step, 0}) -
           kMadeScale * video.mean;
  };
  EXPECT_EQ(deviation("mean", 0).abs().max().item<double>(), 0.0);
  const at::Tensor draw = deviation("sample", 0);
  // 6·4·8·8 numbers: the deviation is known to 2 %.
  EXPECT_NEAR(draw.std().item<double>(), kMadeScale * kDeviation, 0.08 * kMadeScale * kDeviation);
  EXPECT_FALSE(at::equal(draw, deviation("sample", 1)));
}

// Two clips of two classes in one batch, trained as diffusers up to 0.27.2 had it: the one's loss
// depends on the other's class.
TEST_F(CompatibilityTraining, ContextMixUpOfTheLvdmMixesTheClassesOfABatch) {
  const auto losses = [&](bool mixup, const std::string& second_class) {
    std::vector<MadeVideo> videos = {made_video(0, "TRAIN", 8, 6), made_video(1, "TRAIN", 8, 6)};
    videos[1].study.class_name = second_class;
    write(videos);
    torch::manual_seed(1);
    LvdmRecipe recipe(toy_options<LvdmOptions>(
                          "lvdm", {"data.latents=" + latents().string(),
                                   "diffusion.class_dropout=0", "compatibility.posterior=mean",
                                   std::string("compatibility.context_mixup_0_27=") +
                                       (mixup ? "true" : "false")}),
                      at::kCPU);
    torch::NoGradGuard no_grad;
    // So that class and time count in a network of small initial weights.
    for (const at::Tensor& p : recipe.modules(0)[1].module->parameters()) p.mul_(10.0);
    Figures figures;
    return loss_of(recipe, 0, {0, {0, 1}}, figures).item<double>();
  };
  EXPECT_GT(std::abs(losses(true, "Non-ASD") - losses(false, "Non-ASD")), 1e-6);
  EXPECT_NEAR(losses(true, "ASD"), losses(false, "ASD"), 1e-7);
}

// Over the whole video, as EchoNet-Synthetic normalises, a threshold over first frames hangs on the
// frames behind them.
TEST_F(CompatibilityTraining, PrivacyNormalisationOverVideosLooksAtOtherFrames) {
  std::vector<MadeVideo> videos;
  for (int i = 0; i < 7; ++i) videos.push_back(made_video(i, i < 4 ? "TRAIN" : "VAL", 3, 8));
  const auto tau = [&](const std::string& normalisation, bool other_last_frames) {
    std::vector<MadeVideo> written = videos;
    for (std::size_t i = 0; other_last_frames && i < written.size(); ++i) {
      written[i].mean = written[i].mean.clone();
      written[i].mean[2] *= static_cast<double>(2 + i);
    }
    write(written);
    torch::manual_seed(1);
    ReidRecipe recipe(
        toy_options<ReidOptions>("reid", {"data.latents=" + latents().string(),
                                          "threshold.embedding_frames=1", "threshold.percentile=0",
                                          "compatibility.privacy_normalisation=" + normalisation}),
        at::kCPU);
    recipe.export_model(folder_ / "model", 7);
    return models::read_reid_threshold(folder_ / "model/reid/threshold.json").tau;
  };
  EXPECT_EQ(tau("frame", false), tau("frame", true));
  EXPECT_GT(std::abs(tau("video", false) - tau("video", true)), 1e-5);
}

}  // namespace
}  // namespace echopath::training
