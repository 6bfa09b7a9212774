#include "training/jobs.hpp"

#include <algorithm>
#include <limits>

#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "echopath/core/text.hpp"
#include "echopath/data/dataset.hpp"
#include "echopath/models/copy_weights.hpp"
#include "echopath/models/model_directory.hpp"
#include "echopath/models/weights.hpp"
#include "echopath/training/optimizer.hpp"
#include "training/classifier_recipe.hpp"
#include "training/lidm_recipe.hpp"
#include "training/lvdm_recipe.hpp"
#include "training/memory.hpp"
#include "training/reid_recipe.hpp"
#include "training/shapes.hpp"
#include "training/vae_recipe.hpp"
#include "training/validate.hpp"

namespace echopath::training {
namespace {

/// A folder of training data: the key that names it, and the command that makes one.
struct DataFolder {
  std::string key;
  std::string path;
  std::string made_by;
};

/// Throws ConfigError or DataError unless the folder is named and there.
void require_data(const DataFolder& data) {
  const std::string remedy = "; " + data.made_by + " makes it";
  if (data.path.empty()) throw ConfigError(data.key + " is not set" + remedy);
  std::error_code error;
  if (fs::status(data.path, error).type() == fs::file_type::not_found) {
    throw DataError(data.key + ": '" + data.path + "' does not exist" + remedy);
  }
}

/// A recipe on data whose faults are told under their key.
constexpr double kUnknownSize = std::numeric_limits<double>::infinity();

template <class RecipeType, class Options>
std::unique_ptr<Recipe> open_recipe(const Options& options, at::Device device,
                                    const DataFolder& data) {
  require_data(data);
  try {
    return std::make_unique<RecipeType>(options, device);
  } catch (const DataError& fault) {
    throw DataError(data.key + ": " + fault.what());
  }
}

/// Bytes of all videos of these datasets, decoded; infinite where one cannot tell.
double decoded_bytes(const std::vector<std::string>& folders) {
  double bytes = 0.0;
  for (const std::string& folder : folders) {
    if (folder.empty()) continue;
    try {
      const data::Dataset dataset = data::Dataset::open(folder, false);
      for (const data::Study& study : dataset.studies()) {
        const double pixels = static_cast<double>(study.frame_height * study.frame_width);
        if (pixels <= 0 || study.number_of_frames <= 0) return kUnknownSize;
        bytes += pixels * static_cast<double>(study.number_of_frames);
      }
    } catch (const DataError&) {
      return kUnknownSize;
    }
  }
  return bytes;
}

/// What every job has: its options, and the parts of Job that only read them.
template <class Options>
class OptionsJob : public Job {
 public:
  config::VisitFunction visit() override { return config::visit_of(options_); }
  void validate() const override { training::validate(options_); }
  double memory_bytes(std::int64_t parameters, bool cuda) const override {
    return training_bytes(options_.training, parameters, kept_values(options_), cuda);
  }
  NamedShapes shapes(std::int64_t items) const override { return shapes_of(options_, items); }
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
  double memory_bytes(std::int64_t parameters, bool cuda) const override {
    return OptionsJob::memory_bytes(parameters, cuda) + discriminator_bytes();
  }
  double cache_bytes() const override {
    return std::min(1e9 * options_.cache_gigabytes, decoded_bytes({options_.dataset}));
  }
  std::vector<std::string> components() const override { return {"vae"}; }
  void require_start(bool has_weights) const override {
    if (!options_.freeze_encoder || has_weights) return;
    throw ConfigError(
        "freeze_encoder keeps the encoder of another model; name it with --init-from");
  }
  std::unique_ptr<Recipe> make_recipe(at::Device device) const override {
    return open_recipe<VaeRecipe>(
        options_, device,
        {"data.dataset", options_.dataset, "`echopath import` or `echopath phantom`"});
  }

 private:
  /// Weights, gradients and the optimizer's state: it has no average.
  double discriminator_bytes() const {
    if (options_.adversarial_weight == 0) return 0.0;
    const PatchDiscriminator discriminator(1, options_.discriminator_channels,
                                           options_.discriminator_layers);
    return 4.0 * static_cast<double>((2 + optimizer_values(options_.training)) *
                                     models::parameter_count(*discriminator));
  }
};

class LidmJob : public OptionsJob<LidmOptions> {
 public:
  std::int64_t parameter_count() const override {
    return models::parameter_count(make_lidm(options_)->module());
  }
  std::vector<std::string> components() const override {
    if (options_.architecture == "UNet2DModel") return {"lidm"};
    return {"lidm", "class_embedding/lidm"};
  }
  std::unique_ptr<Recipe> make_recipe(at::Device device) const override {
    return open_recipe<LidmRecipe>(options_, device,
                                   {"data.latents", options_.data.latents, "`echopath encode`"});
  }
};

class LvdmJob : public OptionsJob<LvdmOptions> {
 public:
  std::int64_t parameter_count() const override {
    return models::parameter_count(*models::UNetSpatioTemporalConditionModel(options_.model));
  }
  std::vector<std::string> components() const override { return {"lvdm", "class_embedding/lvdm"}; }
  std::unique_ptr<Recipe> make_recipe(at::Device device) const override {
    return open_recipe<LvdmRecipe>(options_, device,
                                   {"data.latents", options_.data.latents, "`echopath encode`"});
  }
};

class ReidJob : public OptionsJob<ReidOptions> {
 public:
  std::int64_t parameter_count() const override {
    return models::parameter_count(*models::ReIdNet(options_.model));
  }
  std::vector<std::string> components() const override { return {"reid"}; }
  std::unique_ptr<Recipe> make_recipe(at::Device device) const override {
    return open_recipe<ReidRecipe>(options_, device,
                                   {"data.latents", options_.latents, "`echopath encode`"});
  }
};

class ClassifierJob : public OptionsJob<ClassifierOptions> {
 public:
  std::int64_t parameter_count() const override {
    return models::parameter_count(*models::Classifier(options_.network()));
  }
  double cache_bytes() const override {
    const ClassifierDataOptions& data = options_.data;
    std::vector<std::string> folders = {data.dataset, data.validation_dataset};
    folders.insert(folders.end(), data.extra_datasets.begin(), data.extra_datasets.end());
    const double copies = options_.model.is_segmentation() ? 2.0 : 1.0;  // videos and label maps
    return std::min(1e9 * data.cache_gigabytes, copies * decoded_bytes(folders));
  }
  std::vector<std::string> components() const override { return {options_.init_component()}; }
  std::unique_ptr<Recipe> make_recipe(at::Device device) const override {
    const ClassifierDataOptions& data = options_.data;
    const std::string made_by = "`echopath import`, `echopath phantom` or `echopath sample`";
    require_data({"data.dataset", data.dataset, made_by});
    for (const std::string& extra : data.extra_datasets) {
      require_data({"data.extra_datasets", extra, made_by});
    }
    if (!data.validation_dataset.empty()) {
      require_data({"data.validation_dataset", data.validation_dataset, made_by});
    }
    return std::make_unique<ClassifierRecipe>(options_, device);
  }
  /// The head may be left out: it keeps the weights that it was made with.
  void initialise_from(const std::filesystem::path& model_directory,
                       Recipe& recipe) const override {
    const std::string kept =
        options_.init.head == "new" ? models::head_prefix(options_.network()) : "";
    models::copy_weights(models::ModelDirectory::open(model_directory), options_.init_component(),
                         *recipe.modules(0).front().module, kept);
  }
};

}  // namespace

void Job::require_weights(const std::filesystem::path& model_directory) const {
  try {
    models::ModelDirectory::open(model_directory).require(components());
  } catch (const DataError& error) {
    throw DataError(std::string("--init-from: ") + error.what());
  }
}

void Job::initialise_from(const std::filesystem::path& model_directory, Recipe& recipe) const {
  const models::ModelDirectory model = models::ModelDirectory::open(model_directory);
  const std::vector<NamedModule> modules = recipe.modules(0);
  for (const NamedModule& module : modules) {
    const bool embedding = module.name == "class_embedding";
    models::copy_weights(model, embedding ? module.name + "/" + modules.front().name : module.name,
                         *module.module);
  }
}

std::unique_ptr<Job> make_job(const std::string& network) {
  if (network == "vae") return std::make_unique<VaeJob>();
  if (network == "lidm") return std::make_unique<LidmJob>();
  if (network == "lvdm") return std::make_unique<LvdmJob>();
  if (network == "reid") return std::make_unique<ReidJob>();
  if (network == "classifier") return std::make_unique<ClassifierJob>();
  throw UsageError("unknown network '" + network + "'; known: " + join(trainable_networks(), ", "));
}

}  // namespace echopath::training
