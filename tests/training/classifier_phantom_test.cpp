// The classifier and segmentation recipes on simulated hearts, at toy size.
#include <gtest/gtest.h>

#include <map>

#include "echopath/io/video.hpp"
#include "echopath/phantom/phantom.hpp"
#include "echopath/training/classification_metrics.hpp"
#include "echopath/training/train.hpp"
#include "training/made_videos.hpp"

namespace echopath::training {
namespace {

constexpr int kFrames = 3;
constexpr double kFps = 3.0;  // one second of each heart

/// Hearts of two classes in turn, three of four to train on, with their label maps.
class OnPhantoms : public MadeVideos {
 protected:
  void write_hearts(const std::vector<std::string>& classes, int hearts) {
    const at::TensorOptions bytes = at::kByte;
    const std::int64_t side = phantom::kImageSize;
    for (int i = 0; i < hearts; ++i) {
      const std::string& name = classes[static_cast<std::size_t>(i) % classes.size()];
      phantom::Simulator heart(phantom::sample_patient(name, 1000 + static_cast<unsigned>(i)));
      at::Tensor video = at::empty({kFrames, side, side}, bytes), maps = at::empty_like(video);
      for (int t = 0; t < kFrames; ++t) {
        heart.render(t / kFps, video[t].mutable_data_ptr<std::uint8_t>(),
                     maps[t].mutable_data_ptr<std::uint8_t>());
      }
      data::Study& study = add("hearts", name, i / 2 % 4 == 3 ? "VAL" : "TRAIN", video);
      study.fps = kFps;
      write_pixels(folder_ / "hearts/Masks" / study.file_name, maps);
    }
    list("hearts");
  }

  /// The last validation after a training with these options.
  std::map<std::string, double> trained(const std::vector<std::string>& options,
                                        int batch_size) const {
    TrainRequest request;
    request.network = "classifier";
    request.overrides = options;
    for (const std::string& more :
         {"data.dataset=" + (folder_ / "hearts").string(), std::string("model.in_channels=1"),
          std::string("clip.mean=[0.19]"), std::string("clip.std=[0.2]"), std::string("clip.fps=3"),
          "training.batch_size=" + std::to_string(batch_size)}) {
      request.overrides.push_back(more);
    }
    request.out = folder_ / "run";
    request.device = "cpu";
    const Figures metrics = run_training(request).metrics;
    return {metrics.begin(), metrics.end()};
  }

  /// Label maps of the held-out hearts, [N, H, W] int64.
  at::Tensor held_out_maps() const {
    const data::Dataset dataset = data::Dataset::open(folder_ / "hearts");
    std::vector<at::Tensor> maps;
    for (const data::Study& study : dataset.split("VAL")) {
      io::Frames frames = io::read_video(folder_ / "hearts/Masks" / study.file_name);
      maps.push_back(
          at::tensor(frames.pixels, at::kLong).view({frames.count, frames.height, frames.width}));
    }
    return at::cat(maps);
  }
};

class ClassifierOnPhantoms : public OnPhantoms {};

TEST_F(ClassifierOnPhantoms, TellsPahFromItsControls) {
  write_hearts({"Non-PAH", "PAH"}, 96);
  const double auc =
      trained({"architecture=resnet50", "model.width=8", "model.depths=[1,1,1,1]",
               "model.block=basic", "clip.frames=3", R"(data.classes=["Non-PAH","PAH"])",
               "augmentation.shift=4", "augmentation.brightness=0.2", "training.steps=70",
               "training.learning_rate=3e-3", "training.validate_every=35"},
              8)
          .at("val_auc");
  EXPECT_GT(auc, 0.9);
}

struct ClipNetwork {
  const char* architecture;
};

class ClipNetworksOnPhantomsSlow : public OnPhantoms,
                                   public ::testing::WithParamInterface<ClipNetwork> {};

TEST_P(ClipNetworksOnPhantomsSlow, TellsPahFromItsControls) {
  write_hearts({"Non-PAH", "PAH"}, 96);
  const double auc =
      trained({std::string("architecture=") + GetParam().architecture, "model.width=8",
               "model.depths=[1,1,1,1]", "clip.frames=3", R"(data.classes=["Non-PAH","PAH"])",
               "augmentation.shift=4", "augmentation.brightness=0.2", "training.steps=70",
               "training.learning_rate=3e-3", "training.validate_every=35"},
              8)
          .at("val_auc");
  EXPECT_GT(auc, 0.9);
}

INSTANTIATE_TEST_SUITE_P(All, ClipNetworksOnPhantomsSlow,
                         ::testing::Values(ClipNetwork{"r3d_18"}, ClipNetwork{"r2plus1d_18"}),
                         [](const auto& row) { return std::string(row.param.architecture); });

class SegmentationOnPhantomsSlow : public OnPhantoms {};

TEST_F(SegmentationOnPhantomsSlow, FindsTheChambers) {
  write_hearts({"ASD", "PAH"}, 96);
  const auto figures =
      trained({"task=segmentation", "architecture=unet", "model.block_out_channels=[8,16,32,64]",
               "model.layers_per_block=1", "model.norm_num_groups=4", "clip.frames=1",
               "augmentation.shift=6", "training.steps=220", "training.learning_rate=3e-3",
               "training.warmup_steps=10", "training.validate_every=220"},
              2);
  EXPECT_GT(figures.at("val_dice"), 0.7);
  // The best constant answers each structure with its share of the pixels.
  const at::Tensor labels = held_out_maps();
  const at::Tensor shares =
      at::bincount(labels.flatten(), {}, 6).to(at::kFloat) / static_cast<double>(labels.numel());
  const at::Tensor answers =
      shares.view({1, 6, 1, 1}).expand({labels.size(0), 6, labels.size(1), labels.size(2)});
  const double constant =
      weighted_cross_entropy(answers.log(), labels, at::ones({6})).item<double>() +
      dice_loss(answers, labels).item<double>();
  EXPECT_LT(figures.at("val_loss"), 0.5 * constant);
}

}  // namespace
}  // namespace echopath::training
