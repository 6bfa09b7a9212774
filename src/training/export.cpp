#include "training/export.hpp"

#include "echopath/core/errors.hpp"
#include "echopath/core/text.hpp"

namespace echopath::training {

at::ScalarType dtype_of(const std::string& name) {
  if (name == "float16") return at::kHalf;
  if (name == "bfloat16") return at::kBFloat16;
  return at::kFloat;
}

config::Json describe_training(const LoopOptions& loop, const std::string& data,
                               std::size_t videos) {
  return {{"data", std::filesystem::path(data).filename().string()},
          {"videos", videos},
          {"steps", loop.steps},
          {"batch_size", loop.batch_size},
          {"learning_rate", loop.learning_rate},
          {"seed", loop.seed}};
}

void describe_latent_model(models::ModelInfo& info, const LatentDataOptions& data,
                           const models::ClassEmbeddingConfig& embedding,
                           const LatentSource& source) {
  if (!info.class_names.empty() && info.class_names != data.classes) {
    throw ConfigError("output.model_directory holds a model with the classes " +
                      join(info.class_names, ", ") + ", but data.classes is " +
                      join(data.classes, ", ") + "; use the same list or another directory");
  }
  const auto vae = info.hashes.find("vae");
  if (vae != info.hashes.end() && vae->second != source.vae_hash()) {
    throw ConfigError("the latents in '" + data.latents +
                      "' were made by another VAE than the one in output.model_directory; encode "
                      "them again with `echopath encode --model` on that directory");
  }
  info.class_names = data.classes;
  info.conditioning = embedding.mode;
  info.null_token = embedding.mode == "scalar" ? 0 : embedding.num_classes;
  info.latent_scaling_factor = source.scaling_factor();
  info.latent_shape = source.latent_shape();
}

}  // namespace echopath::training
