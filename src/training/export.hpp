#pragma once

#include <ATen/ATen.h>

#include <optional>
#include <string>

#include "echopath/config/options.hpp"
#include "echopath/models/model_directory.hpp"
#include "echopath/training/options.hpp"
#include "training/latent_source.hpp"

namespace echopath::training {

/// float32, float16 or bfloat16.
at::ScalarType dtype_of(const std::string& name);

/// What echopath.json says of a component's training, of which the weights written had `steps`
/// steps (fewer than asked for after early stopping, say); `encoder_hash` is that of the VAE whose
/// latents it was trained on, empty where it was trained on none or the latents do not say.
config::Json describe_training(const LoopOptions& loop, std::int64_t steps, const std::string& data,
                               std::size_t videos, const std::string& encoder_hash = {});

/// Throws ConfigError where `model_directory` holds another VAE than the one that made the latents
/// in `latents`. Where they do not say which one that was (empty hash), it warns.
void require_same_vae(const std::filesystem::path& model_directory, const std::string& encoder_hash,
                      const std::string& latents);
/// The same, and that a model already there has the same classes.
void require_same_model(const std::filesystem::path& model_directory, const LatentDataOptions& data,
                        const LatentSource& source);
/// Warns where `model_directory` holds networks trained on the latents of the VAE that a new one
/// would replace.
void warn_of_dependents(const std::filesystem::path& model_directory);

/// The latent scaling factor of the model there, where its VAE has this encoder.
std::optional<double> scaling_factor_of(const std::filesystem::path& model_directory,
                                        const std::string& encoder_hash);

/// Fills in what LIDM and LVDM share: classes, latent shape and scale.
void describe_latent_model(models::ModelInfo& info, const LatentDataOptions& data,
                           const LatentSource& source);
/// Fills in how a network of the model is conditioned; one without conditioning has nothing to say.
void describe_conditioning(models::ModelInfo& info, const models::ClassEmbedding& embedding);

}  // namespace echopath::training
