#include "training/export.hpp"

#include <optional>
#include <system_error>

#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "echopath/core/logging.hpp"
#include "echopath/core/text.hpp"

namespace echopath::training {
namespace {

/// The model that a run will add to or change; none where the directory has yet to be made.
std::optional<models::ModelDirectory> existing_model(const fs::path& directory) {
  std::error_code error;
  const bool described = fs::exists(directory / "echopath.json", error);
  if (!described && !fs::is_directory(directory / "vae", error)) return std::nullopt;
  return models::ModelDirectory::open(directory);
}

}  // namespace

at::ScalarType dtype_of(const std::string& name) {
  if (name == "float16") return at::kHalf;
  if (name == "bfloat16") return at::kBFloat16;
  return at::kFloat;
}

config::Json describe_training(const LoopOptions& loop, std::int64_t steps, const std::string& data,
                               std::size_t videos, const std::string& encoder_hash) {
  config::Json json = {{"data", std::filesystem::path(data).filename().string()},
                       {"videos", videos},
                       {"steps", steps},
                       {"batch_size", loop.batch_size},
                       {"learning_rate", loop.learning_rate},
                       {"seed", loop.seed}};
  if (!encoder_hash.empty()) json["encoder_sha256"] = encoder_hash;
  return json;
}

void require_same_vae(const fs::path& model_directory, const std::string& encoder_hash,
                      const std::string& latents) {
  const std::optional<models::ModelDirectory> model = existing_model(model_directory);
  if (!model || !model->has("vae")) return;
  if (encoder_hash.empty()) {
    log_warning("the latents in '" + latents +
                "' do not say which VAE made them; whether it is the "
                "one in '" +
                model_directory.string() + "' cannot be checked");
  } else if (model->encoder_hash() != encoder_hash) {
    throw ConfigError("output.model_directory: '" + model_directory.string() +
                      "' holds another VAE than the one that made the latents in '" + latents +
                      "'; encode them again with `echopath encode --model` on that directory, or "
                      "choose another directory");
  }
}

void require_same_model(const fs::path& model_directory, const LatentDataOptions& data,
                        const LatentSource& source) {
  require_same_vae(model_directory, source.encoder_hash(), data.latents);
  const std::optional<models::ModelDirectory> model = existing_model(model_directory);
  if (!model || !fs::exists(model_directory / "echopath.json")) return;
  const std::vector<std::string>& classes = model->info().class_names;
  if (!classes.empty() && classes != data.classes) {
    throw ConfigError("output.model_directory: '" + model_directory.string() +
                      "' holds a model with the classes " + join(classes, ", ") +
                      ", but data.classes is " + join(data.classes, ", ") +
                      "; use the same list or another directory");
  }
}

void warn_of_dependents(const fs::path& model_directory) {
  const std::optional<models::ModelDirectory> model = existing_model(model_directory);
  if (!model) return;
  std::vector<std::string> dependents;
  for (const char* network : {"lidm", "lvdm", "reid"}) {
    if (model->has(network)) dependents.emplace_back(network);
  }
  if (dependents.empty()) return;
  log_warning("'" + model_directory.string() + "' holds " + join(dependents, ", ") +
              ", trained on the latents of another VAE; once this run writes its VAE there they no "
              "longer fit: encode the data again and train them again, or give this run another "
              "output.model_directory");
}

std::optional<double> scaling_factor_of(const fs::path& model_directory,
                                        const std::string& encoder_hash) {
  const std::optional<models::ModelDirectory> model = existing_model(model_directory);
  if (!model || !model->has("vae")) return std::nullopt;
  const models::AutoencoderKL vae = model->load_vae(at::kCPU);
  if (models::encoder_hash(vae) != encoder_hash) return std::nullopt;
  return vae->config().scaling_factor;
}

void describe_conditioning(models::ModelInfo& info, const models::ClassEmbedding& embedding) {
  const bool scalar = embedding->config().mode == "scalar";
  info.conditioning = embedding->config().mode;
  info.null_token = scalar ? 0 : embedding->null_label();
}

void describe_latent_model(models::ModelInfo& info, const LatentDataOptions& data,
                           const LatentSource& source) {
  info.class_names = data.classes;
  info.latent_scaling_factor = source.scaling_factor();
  info.latent_shape = source.latent_shape();
}

}  // namespace echopath::training
