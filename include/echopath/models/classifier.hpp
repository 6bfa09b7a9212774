#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "echopath/config/options.hpp"
#include "echopath/models/resnet.hpp"
#include "echopath/models/segmentation_unet.hpp"
#include "echopath/models/video_resnet.hpp"

namespace echopath::models {

/// What a classifier takes of a video, and how its grey levels are scaled.
struct ClipFormat {
  std::int64_t sample_size = 112;  ///< height and width of the frames
  std::int64_t frames = 32;
  double fps = 32.0;  ///< frame rate that a video is resampled to first
  /// window: neighbouring frames of the resampled video. spread: frames spread evenly over all of
  /// it (the published code: every second frame, then 32 of those).
  std::string sampling = "window";
  /// Of grey levels scaled to [0, 1]; one number, or one for each channel. The defaults are those
  /// of ImageNet, which the published code takes for every network.
  std::vector<double> mean = {0.485, 0.456, 0.406};
  std::vector<double> deviation = {0.229, 0.224, 0.225};  ///< key `std`

  void visit(config::Visitor& v);
  /// Frames of a video of `count` frames at `source_fps` that make up one clip: `frames` numbers.
  /// `start` in [0, 1) chooses the place of a window among all valid ones, 0.5 the middle. A video
  /// that is too short shows its last frame until the end.
  std::vector<std::int64_t> frame_indices(std::int64_t count, double source_fps,
                                          double start = 0.5) const;
};

/// config.json of a trained classifier or segmentation network, beside its `_class_name`
/// "Classifier".
struct ClassifierConfig {
  std::string task = "classification";  ///< classification or segmentation
  /// r3d_18, r2plus1d_18, resnet50 (frame by frame, probabilities averaged), unet (segmentation).
  std::string architecture = "r3d_18";
  /// Class names in label order; for segmentation the structures in the order of their grey levels
  /// in the label maps, from 0 (background).
  std::vector<std::string> classes;
  ClipFormat clip;
  VideoResNetShape video;      ///< of r3d_18 and r2plus1d_18
  ResNetShape image;           ///< of resnet50
  SegmentationUNetShape unet;  ///< of unet
  double dropout = 0.0;        ///< of the features before the last layer of a ResNet, in training

  bool is_segmentation() const { return task == "segmentation"; }
  std::int64_t in_channels() const;
  std::int64_t num_classes() const { return static_cast<std::int64_t>(classes.size()); }
  void visit(config::Visitor& v);
  /// The keys of the network alone, which depend on the architecture.
  void visit_model(config::Visitor& v);
  /// Throws ConfigError on values that do not go together.
  void check() const;
};

/// Tells which class a clip shows, or which structure each pixel. A handle: copies share the
/// network, whose names of weights are torchvision's or SegmentationUNet's.
class Classifier {
 public:
  /// Throws ConfigError on a config that cannot be built.
  explicit Classifier(ClassifierConfig config);

  const ClassifierConfig& config() const { return config_; }
  std::shared_ptr<torch::nn::Module> module() const;
  torch::nn::Module& operator*() const { return *module(); }

  /// Grey levels 0…255 [B, T, H, W] as the network wants them: [B, C, T, H, W] for a video network,
  /// [B·T, C, H, W] for one that looks at single frames.
  torch::Tensor normalise(const torch::Tensor& clips) const;
  /// The bare network on a normalised input; logits [B, K], [B·T, K] or [B·T, K, H, W].
  torch::Tensor forward(const torch::Tensor& input) const;
  /// Logarithm of the class probabilities of clips [B, T, H, W] in grey levels 0…255: [B, K]; of a
  /// network that looks at single frames, of the probabilities averaged over the frames. For
  /// segmentation of each pixel: [B, T, K, H, W].
  torch::Tensor log_probabilities(const torch::Tensor& clips) const;
  /// Pooled features before the last layer, [B, D], averaged over the frames where the network
  /// looks at single ones. Not for segmentation.
  torch::Tensor features(const torch::Tensor& clips) const;

  /// The networks by kind; null where it is another.
  const VideoResNet* video() const { return std::get_if<VideoResNet>(&network_); }
  const ResNet* image() const { return std::get_if<ResNet>(&network_); }

 private:
  ClassifierConfig config_;
  std::variant<VideoResNet, ResNet, SegmentationUNet> network_;
};

/// Names of the last layer's weights begin with this: what another number of classes changes.
std::string head_prefix(const ClassifierConfig& config);

}  // namespace echopath::models
