#pragma once

#include <ATen/ATen.h>

#include <string>

#include "echopath/config/options.hpp"
#include "echopath/models/model_directory.hpp"
#include "echopath/training/options.hpp"
#include "training/latent_source.hpp"

namespace echopath::training {

/// float32, float16 or bfloat16.
at::ScalarType dtype_of(const std::string& name);

/// What echopath.json says of a component's training.
config::Json describe_training(const LoopOptions& loop, const std::string& data,
                               std::size_t videos);

/// Fills in what LIDM and LVDM share: classes, conditioning, latent shape and scale. Throws
/// ConfigError where the model directory already holds a model with other classes or other latents.
void describe_latent_model(models::ModelInfo& info, const LatentDataOptions& data,
                           const models::ClassEmbeddingConfig& embedding,
                           const LatentSource& source);

}  // namespace echopath::training
