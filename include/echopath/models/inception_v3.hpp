#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

namespace echopath::models {

/// The Inception V3 of 2015-12-05 that the Fréchet inception distance is defined on (Heusel et al.,
/// 2017): TensorFlow's network, which differs from torchvision's in its average pools (padding does
/// not count), in the max pool of its last block, and in 1008 classes. Evaluation only. Names of
/// weights are those of the community's `pt_inception-2015-12-05-6726825d.pth`.
class InceptionV3Impl : public torch::nn::Module {
 public:
  static constexpr std::int64_t kImageSize = 299;
  static constexpr std::int64_t kFeatures = 2048;
  static constexpr std::int64_t kClasses = 1008;

  /// Weights are zero until they are loaded.
  InceptionV3Impl();
  ~InceptionV3Impl() override;

  /// Pooled features [B, 2048] of images [B, 3, 299, 299] in [−1, 1] (see inception_images).
  torch::Tensor features(const torch::Tensor& images);
  /// Logits [B, 1008] of pooled features, without the last layer's bias, as every published
  /// inception score takes them.
  torch::Tensor logits_without_bias(const torch::Tensor& features);

 private:
  struct Layers;
  std::unique_ptr<Layers> layers_;
  torch::nn::Linear fc_{nullptr};
};
TORCH_MODULE(InceptionV3);

/// How images get the network's size.
enum class InceptionResize {
  kTensorFlow1,  ///< bilinear without half-pixel centres, as in the published graph
  kClean,        ///< Pillow's bicubic in float, clipped to 0…255 (clean-fid)
  kAntialias,    ///< bilinear with antialiasing (torchmetrics)
};

/// Grey or RGB images [B, 1 or 3, H, W] of 0…255, any type, as the network takes them: resized,
/// (x − 128) / 128, [B, 3, 299, 299] float32.
torch::Tensor inception_images(const torch::Tensor& pixels, InceptionResize resize);

/// Reads the weights from a file of torch.save or safetensors. Throws DataError on a file that is
/// none or holds another network.
InceptionV3 load_inception_v3(const std::filesystem::path& path, at::Device device);

}  // namespace echopath::models
