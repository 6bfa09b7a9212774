// The diffusion recipes on phantom data at toy size, from simulated videos to held-out losses.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "echopath/data/dataset.hpp"
#include "echopath/data/latent_dataset.hpp"
#include "echopath/generation/codec.hpp"
#include "echopath/generation/sample.hpp"
#include "echopath/io/video.hpp"
#include "echopath/models/model_directory.hpp"
#include "echopath/phantom/studies.hpp"
#include "echopath/training/train.hpp"
#include "training/made_latents.hpp"

namespace echopath::training {
namespace {

using ::testing::HasSubstr;

constexpr std::int64_t kPixels = 32;
constexpr std::int64_t kFrames = 12;
constexpr int kPatients = 64;

/// Phantom videos [12, 32, 32] of 64 patients, a VAE of theirs and its latents [12, 4, 8, 8].
class LearningSlow : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    torch::set_num_threads(1);
    root_ =
        new fs::path(fs::temp_directory_path() / ("echopath_learning_" + std::to_string(getpid())));
    fs::remove_all(*root_);
    phantom::WriteOptions simulated;
    simulated.out = *root_ / "simulated";
    simulated.patients = kPatients;
    simulated.seed = 3;
    simulated.frames = kFrames;
    simulated.show_progress = false;
    phantom::write_studies(simulated);
    shrink(simulated.out, *root_ / "videos");
    vae_ = train("vae", {"data.dataset=" + (*root_ / "videos").string(),
                         "model.block_out_channels=[16,16,16]", "loss.adversarial_weight=0",
                         "loss.kl_weight=1e-3", "training.steps=300", "training.batch_size=8",
                         "training.learning_rate=3e-3", "training.learning_rate_schedule=cosine",
                         "training.ema_decay=0.9"});
    generation::EncodeOptions encoding;
    encoding.data = (*root_ / "videos").string();
    encoding.model = model().string();
    encoding.out = latents().string();
    encoding.device = "cpu";
    generation::encode_dataset(encoding);
  }
  static void TearDownTestSuite() {
    fs::remove_all(*root_);
    delete root_;
  }

  static inline TrainReport vae_;

  static fs::path model() { return *root_ / "model"; }
  static fs::path latents() { return *root_ / "latents"; }

  /// The same studies with frames of kPixels, each pixel the mean of those it covers.
  static void shrink(const fs::path& from, const fs::path& to) {
    std::vector<data::Study> studies = data::read_file_list(from / "FileList.csv");
    for (data::Study& study : studies) {
      io::Frames frames = io::read_video(from / "Videos" / (study.stem() + ".avi"));
      const at::Tensor pixels = at::from_blob(
          frames.pixels.data(), {frames.count, 1, frames.height, frames.width}, at::kByte);
      const at::Tensor small =
          at::adaptive_avg_pool2d(pixels.to(at::kFloat), {kPixels, kPixels}).round().to(at::kByte);
      const auto* bytes = small.contiguous().const_data_ptr<std::uint8_t>();
      frames.pixels.assign(bytes, bytes + small.numel());
      frames.height = frames.width = study.frame_height = study.frame_width = kPixels;
      io::write_video(to / "Videos" / (study.stem() + ".avi"), frames);
    }
    data::write_file_list(to / "FileList.csv", studies);
  }

  static TrainRequest request(const std::string& network, std::vector<std::string> overrides,
                              const std::string& name) {
    TrainRequest training;
    training.network = network;
    training.config = fs::path(ECHOPATH_SOURCE_DIR) / "tests/fixtures/toy" / (network + ".json");
    training.out = *root_ / "runs" / name;
    training.device = "cpu";
    training.overrides = {"output.model_directory=" + model().string(),
                          "training.validate_every=10000", "training.checkpoint_every=10000",
                          "training.log_every=100"};
    if (network != "vae") training.overrides.push_back("data.latents=" + latents().string());
    if (network == "lidm" || network == "lvdm") {
      training.overrides.emplace_back(R"(data.classes=["ASD","Non-ASD","Non-PAH","PAH"])");
      training.overrides.emplace_back("class_embedding.num_classes=4");
      training.overrides.emplace_back("compatibility.posterior=mean");
    }
    training.overrides.insert(training.overrides.end(), overrides.begin(), overrides.end());
    return training;
  }
  static TrainReport train(const std::string& network, std::vector<std::string> overrides,
                           const std::string& name = "") {
    return run_training(request(network, std::move(overrides), name.empty() ? network : name));
  }

  /// Latents of a split as the networks see them, [N, …].
  static at::Tensor scaled_latents(const std::string& split) {
    const data::LatentDataset dataset = data::LatentDataset::open(latents());
    std::vector<at::Tensor> means;
    for (const data::Study& study : dataset.split(split)) {
      means.push_back(dataset.load(study).mean * dataset.scaling_factor());
    }
    return at::cat(means);
  }

  /// What the best constant gets at the noise levels of a validation: the target's variance,
  /// ᾱ + (1 − ᾱ)·var(x0) of v.
  static double constant_predictors_loss(const TrainReport& report) {
    const double variance = scaled_latents("VAL").var(/*unbiased=*/false).item<double>();
    double total = 0.0;
    int levels = 0;
    const std::string prefix = "val_loss/t=";
    for (const auto& [name, value] : report.metrics) {
      if (name.rfind(prefix, 0) != 0) continue;
      const auto [signal, noise] = signal_and_noise(std::stoll(name.substr(prefix.size())));
      total += signal * signal + noise * noise * variance;
      ++levels;
    }
    return total / levels;
  }

  static void expect_half(const TrainReport& report) {
    ASSERT_EQ(report.metrics.front().first, "val_loss");
    const double loss = report.metrics.front().second;
    const double constant = constant_predictors_loss(report);
    std::printf("held-out loss %.3f, a constant gets %.3f\n", loss, constant);
    EXPECT_LT(loss, 0.5 * constant);
  }

  static fs::path* root_;
};
fs::path* LearningSlow::root_ = nullptr;

const std::vector<std::string> kLidm = {"model.block_out_channels=[32,64]",
                                        "model.norm_num_groups=8",
                                        "model.attention_head_dim=8",
                                        "training.steps=300",
                                        "training.batch_size=16",
                                        "training.learning_rate=2e-3",
                                        "training.learning_rate_schedule=cosine",
                                        "training.warmup_steps=20",
                                        "training.ema_decay=0.97"};

const std::vector<std::string> kLvdm = {"diffusion.noise_offset=0",
                                        "training.steps=200",
                                        "training.batch_size=4",
                                        "training.learning_rate=2e-3",
                                        "training.learning_rate_schedule=cosine",
                                        "training.warmup_steps=20",
                                        "training.ema_decay=0.97"};

std::vector<std::string> with(std::vector<std::string> options,
                              const std::vector<std::string>& more) {
  options.insert(options.end(), more.begin(), more.end());
  return options;
}

// The constant is the median of all held-out pixels, which no other beats in mean absolute error.
TEST_F(LearningSlow, VaeReconstructsHeldOutFrames) {
  const data::Dataset dataset = data::Dataset::open(*root_ / "videos");
  std::vector<at::Tensor> pixels;
  for (const data::Study& study : dataset.split("VAL")) {
    io::Frames frames = dataset.load(study);
    pixels.push_back(at::tensor(frames.pixels, at::kByte).to(at::kFloat) / 127.5 - 1.0);
  }
  const at::Tensor all = at::cat(pixels);
  const double constant = (all - all.median()).abs().mean().item<double>();
  ASSERT_EQ(vae_.metrics.front().first, "val_l1");
  EXPECT_LT(vae_.metrics.front().second, 0.5 * constant);
}

TEST_F(LearningSlow, LidmsHeldOutLossIsBelowHalfOfAConstantPredictors) {
  expect_half(train("lidm", kLidm));
}

TEST_F(LearningSlow, LvdmsHeldOutLossIsBelowHalfOfAConstantPredictors) {
  expect_half(train("lvdm", kLvdm));
}

TEST_F(LearningSlow, ReidTellsFramesOfHeldOutPatientsApart) {
  const TrainReport report =
      train("reid", {"model.width=8", "model.embedding_dim=16", "training.steps=300",
                     "training.batch_size=32", "training.learning_rate=3e-3",
                     "training.learning_rate_schedule=cosine", "training.validate_every=100"});
  ASSERT_EQ(report.metrics[1].first, "val_auc");
  std::printf("held-out AUC %.3f\n", report.metrics[1].second);
  EXPECT_GT(report.metrics[1].second, 0.9);
}

TEST_F(LearningSlow, EchoNetSyntheticsModelsLearnAndSample) {
  fs::create_directories(*root_ / "echosyn");
  fs::copy(model() / "vae", *root_ / "echosyn" / "vae");
  models::update_model_info(*root_ / "echosyn", [&](models::ModelInfo& info) {
    info.image_size = models::ModelDirectory::open(model()).info().image_size;
  });
  const std::string target = "output.model_directory=" + (*root_ / "echosyn").string();
  const TrainReport lidm =
      train("lidm",
            {target, "architecture=UNet2DModel",
             R"(model={"sample_size":8,"down_block_types":["AttnDownBlock2D","DownBlock2D"],)"
             R"("up_block_types":["UpBlock2D","AttnUpBlock2D"],"block_out_channels":[32,64],)"
             R"("layers_per_block":1,"norm_num_groups":8,"attention_head_dim":8})",
             "training.steps=300", "training.batch_size=16", "training.learning_rate=2e-3",
             "training.learning_rate_schedule=cosine", "training.warmup_steps=20",
             "training.ema_decay=0.97"},
            "echosyn_lidm");
  expect_half(lidm);
  const TrainReport lvdm = train(
      "lvdm",
      with(kLvdm,
           {target, "context_frames=1", "model.cross_attention_dim=1",
            "class_embedding.mode=scalar", "class_embedding.source=ef",
            "compatibility.class_dropout=never", "compatibility.reference_frame=random",
            "compatibility.valid_frame_mask=less_equal", "compatibility.clip_start=not_last"}),
      "echosyn_lvdm");
  expect_half(lvdm);

  generation::SampleOptions sampling;
  sampling.model = (*root_ / "echosyn").string();
  sampling.classes = {"PAH"};
  sampling.blocks = 2;
  sampling.solver.num_inference_steps = 4;
  sampling.allow_unfiltered = true;
  sampling.codec = "ffv1";
  sampling.device = "cpu";
  const auto video = [&](std::int64_t ejection_fraction) {
    sampling.ejection_fraction = ejection_fraction;
    sampling.out = (*root_ / ("samples_" + std::to_string(ejection_fraction))).string();
    return io::read_video(generation::run_sampling(sampling).videos.front());
  };
  const io::Frames weak = video(20), strong = video(70);
  EXPECT_EQ(weak.count, 15);
  EXPECT_NE(weak.pixels, strong.pixels) << "the condition reaches the network";
  sampling.ejection_fraction.reset();
  sampling.out = (*root_ / "samples_none").string();
  try {
    generation::run_sampling(sampling);
    FAIL() << "no error";
  } catch (const UsageError& error) {
    EXPECT_THAT(error.what(), HasSubstr("--ef"));
  }
}

/// Every prediction type with every weighting and time sampling that goes with it.
TEST_F(LearningSlow, EveryObjectiveLearns) {
  for (const char* type : {"epsilon", "v_prediction", "sample", "flow_prediction"}) {
    for (const bool weighted : {false, true}) {
      const bool flow = std::string(type) == "flow_prediction";
      if (weighted && flow) continue;
      std::vector<std::string> objective = {std::string("diffusion.prediction_type=") + type};
      if (weighted) objective.emplace_back("diffusion.loss_weighting=min_snr");
      if (weighted || flow) objective.emplace_back("diffusion.timestep_sampling=logit_normal");
      objective.push_back("output.model_directory=" + (*root_ / "objectives" / type).string());
      objective.emplace_back("training.steps=120");
      const std::string name = std::string(type) + (weighted ? "_weighted" : "");
      const TrainReport report = train("lidm", with(kLidm, objective), name);
      // A network that answers the mean of its target, 0 but for x0's own, gets the target's
      // variance: 1 for ε, x0 and v, 2 for a flow, as the latents have about unit variance.
      const double loss = report.metrics.front().second;
      std::printf("%s: held-out loss %.3f\n", name.c_str(), loss);
      EXPECT_LT(loss, flow ? 1.0 : 0.5) << name;
      EXPECT_EQ(models::ModelDirectory::open(report.model_directory).schedule().prediction_type,
                type);
    }
  }
}

TEST_F(LearningSlow, ActivationCheckpointingChangesNoLoss) {
  for (const char* network : {"lidm", "lvdm"}) {
    std::vector<double> losses;
    for (const char* on : {"false", "true"}) {
      const TrainReport report =
          train(network,
                with(network == std::string("lidm") ? kLidm : kLvdm,
                     {"training.steps=10", "training.precision=bf16",
                      std::string("training.activation_checkpointing=") + on,
                      "output.model_directory=" + (*root_ / "checkpointed").string()}),
                std::string(network) + "_checkpointing_" + on);
      losses.push_back(report.metrics.front().second);
    }
    EXPECT_NEAR(losses[1], losses[0], 2e-3 * losses[0]) << network;
  }
}

}  // namespace
}  // namespace echopath::training
