#include "training/jobs.hpp"

#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "echopath/core/text.hpp"
#include "echopath/models/model_directory.hpp"
#include "echopath/models/weights.hpp"
#include "echopath/training/train.hpp"
#include "training/lidm_recipe.hpp"
#include "training/lvdm_recipe.hpp"
#include "training/reid_recipe.hpp"
#include "training/vae_recipe.hpp"

namespace echopath::training {
namespace {

/// Feature maps of one resolution's size that a residual or attention layer keeps for the backward
/// pass, counted on this library's blocks.
constexpr double kMapsPerLayer = 14.0;

/// Bytes kept by a U-shaped network for one image of size×size: `layers` on the way down and one
/// more on the way up at each resolution.
double unet_activations(const std::vector<std::int64_t>& channels, std::int64_t layers,
                        std::int64_t size) {
  double total = 0.0;
  for (std::size_t level = 0; level < channels.size(); ++level) {
    const double side = static_cast<double>(size) / static_cast<double>(1 << level);
    total += kMapsPerLayer * static_cast<double>((2 * layers + 1) * channels[level]) * side * side;
  }
  return 4.0 * total;
}

double items_at_once(const LoopOptions& loop) {
  return static_cast<double>(loop.micro_batch_size > 0 ? loop.micro_batch_size : loop.batch_size);
}

void require_folder(const std::string& key, const std::string& path, const char* made_by,
                    std::vector<std::string>& missing) {
  if (path.empty()) {
    missing.push_back(key + " is not set; " + made_by + " makes it");
  } else if (!fs::exists(fs::path(path) / "FileList.csv")) {
    missing.push_back(key + ": '" + path + "' has no FileList.csv; " + made_by + " makes it");
  }
}

/// What every job has: its options, and the parts of Job that only read them.
template <class Options>
class OptionsJob : public Job {
 public:
  config::VisitFunction visit() override { return config::visit_of(options_); }
  const LoopOptions& loop() const override { return options_.training; }
  const OutputOptions& output() const override { return options_.output; }

 protected:
  Options options_;
};

class VaeJob : public OptionsJob<VaeOptions> {
 public:
  std::int64_t parameter_count() const override {
    return models::parameter_count(*models::AutoencoderKL(options_.model));
  }
  double activation_bytes() const override {
    return items_at_once(options_.training) * unet_activations(options_.model.block_out_channels,
                                                               options_.model.layers_per_block,
                                                               options_.model.sample_size);
  }
  std::vector<std::string> missing() const override {
    std::vector<std::string> missing;
    require_folder("data.dataset", options_.dataset, "`echopath import` or `echopath phantom`",
                   missing);
    return missing;
  }
  std::unique_ptr<Recipe> make_recipe(at::Device device) const override {
    return std::make_unique<VaeRecipe>(options_, device);
  }
};

class LidmJob : public OptionsJob<LidmOptions> {
 public:
  std::int64_t parameter_count() const override {
    return models::parameter_count(make_lidm(options_)->module());
  }
  double activation_bytes() const override {
    const bool conditional = options_.architecture != "UNet2DModel";
    const auto& channels = conditional ? options_.conditional.block_out_channels
                                       : options_.unconditional.block_out_channels;
    return items_at_once(options_.training) * unet_activations(channels, 2, 16);
  }
  std::vector<std::string> missing() const override {
    std::vector<std::string> missing;
    require_folder("data.latents", options_.data.latents, "`echopath encode`", missing);
    return missing;
  }
  std::unique_ptr<Recipe> make_recipe(at::Device device) const override {
    return std::make_unique<LidmRecipe>(options_, device);
  }
};

class LvdmJob : public OptionsJob<LvdmOptions> {
 public:
  std::int64_t parameter_count() const override {
    return models::parameter_count(*models::UNetSpatioTemporalConditionModel(options_.model));
  }
  double activation_bytes() const override {
    // A temporal block beside every spatial one doubles what is kept.
    return 2.0 * items_at_once(options_.training) * static_cast<double>(options_.block_length) *
           unet_activations(options_.model.block_out_channels, 2, 16);
  }
  std::vector<std::string> missing() const override {
    std::vector<std::string> missing;
    require_folder("data.latents", options_.data.latents, "`echopath encode`", missing);
    return missing;
  }
  std::unique_ptr<Recipe> make_recipe(at::Device device) const override {
    return std::make_unique<LvdmRecipe>(options_, device);
  }
};

class ReidJob : public OptionsJob<ReidOptions> {
 public:
  std::int64_t parameter_count() const override {
    return models::parameter_count(*models::ReIdNet(options_.model));
  }
  double activation_bytes() const override {
    // Both images of a pair; the stem halves 14×14 and every stage after the first halves again.
    return 2.0 * items_at_once(options_.training) *
           unet_activations({options_.model.width, 2 * options_.model.width,
                             4 * options_.model.width, 8 * options_.model.width},
                            2, 7);
  }
  std::vector<std::string> missing() const override {
    std::vector<std::string> missing;
    require_folder("data.latents", options_.latents, "`echopath encode`", missing);
    return missing;
  }
  std::unique_ptr<Recipe> make_recipe(at::Device device) const override {
    return std::make_unique<ReidRecipe>(options_, device);
  }
};

}  // namespace

void Job::initialise_from(const std::filesystem::path& model_directory, Recipe& recipe) const {
  require_directory(model_directory, "--init-from");
  const std::vector<NamedModule> modules = recipe.modules(0);
  for (const NamedModule& module : modules) {
    const fs::path weights =
        module.name == "class_embedding"
            ? model_directory / "class_embedding" / (modules.front().name + ".safetensors")
            : model_directory / module.name / "diffusion_pytorch_model.safetensors";
    require_file(weights, "--init-from weights");
    models::load_weights(*module.module, io::SafetensorsFile(weights), weights.string());
  }
}

std::unique_ptr<Job> make_job(const std::string& network) {
  if (network == "vae") return std::make_unique<VaeJob>();
  if (network == "lidm") return std::make_unique<LidmJob>();
  if (network == "lvdm") return std::make_unique<LvdmJob>();
  if (network == "reid") return std::make_unique<ReidJob>();
  if (network == "classifier") {
    throw UsageError("training a classifier is not available in this version");
  }
  throw UsageError("unknown network '" + network + "'; known: " + join(trainable_networks(), ", "));
}

}  // namespace echopath::training
