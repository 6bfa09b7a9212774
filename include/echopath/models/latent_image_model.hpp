#pragma once

#include <torch/torch.h>

#include <memory>
#include <string>

#include "echopath/config/options.hpp"
#include "echopath/models/unet_2d.hpp"
#include "echopath/models/unet_2d_condition.hpp"
#include "echopath/nn/condition.hpp"

namespace echopath::models {

/// The LIDM, whichever of the two image UNets it is.
class LatentImageModel {
 public:
  virtual ~LatentImageModel() = default;

  /// sample [B, C, H, W], timestep [B], context [B, L, D]; a network without conditioning ignores
  /// the context, which may then be undefined.
  virtual torch::Tensor predict(const torch::Tensor& sample, const torch::Tensor& timestep,
                                const torch::Tensor& context) = 0;
  /// predict() for a sampler, which prepares each timestep [B] and each context [B, L, D] once and
  /// not at every step; equal to the bit. Holds while the weights stay as they are, and without
  /// gradients. A network without conditioning ignores the context.
  virtual nn::Condition prepare_time(const torch::Tensor& timestep) = 0;
  virtual nn::Condition prepare_context(const torch::Tensor& context) = 0;
  virtual torch::Tensor predict_prepared(const torch::Tensor& sample, const nn::Condition& time,
                                         const nn::Condition& context) = 0;
  virtual torch::nn::Module& module() = 0;
  /// Whether `predict` looks at the context.
  virtual bool conditional() const = 0;
  /// Width of the context it takes; 0 where unconditional.
  virtual std::int64_t context_width() const = 0;
  /// diffusers' class name, which config.json carries as `_class_name`.
  virtual std::string class_name() const = 0;
  /// diffusers' config.json without `_class_name`.
  virtual config::Json config_json() const = 0;
};

std::unique_ptr<LatentImageModel> make_latent_image_model(const UNet2DConditionConfig& config);
std::unique_ptr<LatentImageModel> make_latent_image_model(const UNet2DConfig& config);
/// From a diffusers config.json, by its `_class_name`. Throws ConfigError naming `source`.
std::unique_ptr<LatentImageModel> make_latent_image_model(const config::Json& config,
                                                          const std::string& source);

}  // namespace echopath::models
