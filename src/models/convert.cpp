#include "echopath/models/convert.hpp"

#include <optional>
#include <set>

#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "echopath/core/text.hpp"
#include "echopath/data/latent_dataset.hpp"
#include "echopath/data/write_directory.hpp"
#include "echopath/models/model_directory.hpp"
#include "models/convert_network.hpp"
#include "models/convert_source.hpp"

namespace echopath::models {

namespace {

void require_finite(const data::LatentVideo& latents, const std::string& what,
                    bool allow_nonfinite) {
  if (allow_nonfinite || (all_finite(latents.mean) && all_finite(latents.logvar))) return;
  throw DataError(what +
                  ": the latents hold values that are not finite (--allow-nonfinite keeps "
                  "them)");
}

void copy_companions(const fs::path& from, const std::vector<std::string>& companions,
                     const fs::path& to) {
  for (const std::string& name : companions) {
    fs::create_directories((to / name).parent_path());
    fs::copy_file(from / name, to / name);
  }
  if (fs::exists(to / "echopath.json")) update_model_info(to, [](ModelInfo&) {});
}

void require_absent(const fs::path& destination, const std::string& what) {
  std::error_code error;
  if (!fs::exists(fs::symlink_status(destination, error))) return;
  throw DataError("the " + what + " '" + destination.string() +
                  "' exists already; remove it or choose another name");
}

void require_different_names(const std::vector<NetworkReport>& networks) {
  std::set<std::string> names;
  for (const NetworkReport& network : networks) {
    if (!names.insert(network.name).second) {
      throw DataError("two networks of the source would become '" + network.name +
                      "/'; convert them one by one");
    }
  }
}

}  // namespace

struct Conversion::Contents {
  ConvertOptions options;
  ConvertSource source;
  std::vector<PreparedNetwork> networks;
  std::vector<NetworkReport> reports;
  std::optional<data::LatentDataset> latent_dataset;
  std::optional<data::LatentVideo> latent_file;

  void require_destination(const fs::path& destination) const {
    if (latent_file && destination.extension() != ".safetensors") {
      throw UsageError(
          "convert: the source is the latents of one video; name the destination "
          "something.safetensors, not '" +
          destination.string() + "'");
    }
    require_absent(destination, latent_file ? "file" : "folder");
  }

  data::LatentVideo latents_of(const data::Study& study) const {
    data::LatentVideo latents = latent_dataset->load(study);
    require_finite(latents, study.file_name, options.allow_nonfinite);
    return latents;
  }

  data::LatentVideo latents_in(const fs::path& file) const {
    data::LatentVideo latents = data::read_reference_latents(file);
    require_finite(latents, file.string(), options.allow_nonfinite);
    return latents;
  }

  void require_finite_latents() const {
    if (latent_file) require_finite(*latent_file, options.source, options.allow_nonfinite);
    for (const fs::path& file : source.latent_files) latents_in(file);
    if (!latent_dataset) return;
    for (const data::Study& study : latent_dataset->studies()) latents_of(study);
  }

  void write_latents_directory(const fs::path& destination) const {
    data::write_directory(destination, [&](const fs::path& place) {
      for (const data::Study& study : latent_dataset->studies()) {
        data::write_latents(place, study, latents_of(study), latent_dataset->scaling_factor(),
                            latent_dataset->encoder_hash());
      }
      data::write_file_list(place / "FileList.csv", latent_dataset->studies());
    });
  }

  void write_latents_files(const fs::path& destination) const {
    data::write_directory(destination, [&](const fs::path& place) {
      for (const fs::path& file : source.latent_files) {
        fs::path name = fs::relative(file, source.folder);
        data::save_latents(place / name.replace_extension(".safetensors"), latents_in(file),
                           data::kReferenceScalingFactor, "");
      }
    });
  }

  void write_latents_file(const fs::path& destination) const {
    require_finite_latents();
    data::save_latents(destination, *latent_file, data::kReferenceScalingFactor, "");
  }

  void write_networks(const fs::path& destination) const {
    data::write_directory(destination, [&](const fs::path& place) {
      for (const PreparedNetwork& network : networks) {
        write_network(place / network.report.name, network);
      }
      copy_companions(source.folder, source.companions, place);
    });
  }
};

Conversion::Conversion(ConvertOptions options) : contents_(std::make_unique<Contents>()) {
  contents_->options = std::move(options);
  const ConvertOptions& wanted = contents_->options;
  ConvertSource& source = contents_->source;
  source = survey_source(wanted.source);
  if (source.is_latents_directory) {
    contents_->latent_dataset = data::LatentDataset::open(source.folder);
    return;
  }
  if (!source.latent_files.empty()) return;
  if (!wanted.config.empty() && source.networks.size() > 1) {
    throw UsageError("convert: --config describes one network, but the source holds " +
                     std::to_string(source.networks.size()) + "; convert them one by one");
  }
  for (const SourceNetwork& network : source.networks) {
    StoredWeights stored = read_stored_weights(network.weights);
    if (is_bare_tensor(stored.tensors)) {
      contents_->latent_file = data::read_reference_latents(network.weights);
      return;
    }
    contents_->networks.push_back(prepare_network(network, std::move(stored), wanted));
  }
  for (const PreparedNetwork& network : contents_->networks) {
    contents_->reports.push_back(network.report);
  }
  require_different_names(contents_->reports);
  for (const std::string& note : source.notes) contents_->reports.front().notes.push_back(note);
}

Conversion::~Conversion() = default;

const std::vector<NetworkReport>& Conversion::networks() const {
  return contents_->reports;
}

std::int64_t Conversion::latent_videos() const {
  if (contents_->latent_file) return 1;
  if (!contents_->source.latent_files.empty()) {
    return static_cast<std::int64_t>(contents_->source.latent_files.size());
  }
  return contents_->latent_dataset
             ? static_cast<std::int64_t>(contents_->latent_dataset->studies().size())
             : 0;
}

const std::vector<std::string>& Conversion::left_out() const {
  return contents_->source.left_out;
}

void Conversion::require_complete() const {
  std::vector<std::string> faults;
  for (const PreparedNetwork& network : contents_->networks) {
    if (!network.faults.none()) faults.push_back(network.faults.message(network.report.where));
  }
  if (!faults.empty()) throw DataError(join(faults, "; "));
}

void Conversion::require_convertible(const std::filesystem::path& destination) const {
  require_complete();
  if (!destination.empty()) contents_->require_destination(destination);
  contents_->require_finite_latents();
}

void Conversion::write(const std::filesystem::path& destination) const {
  require_complete();
  contents_->require_destination(destination);
  if (contents_->latent_dataset) {
    contents_->write_latents_directory(destination);
  } else if (!contents_->source.latent_files.empty()) {
    contents_->write_latents_files(destination);
  } else if (contents_->latent_file) {
    contents_->write_latents_file(destination);
  } else {
    contents_->write_networks(destination);
  }
}

}  // namespace echopath::models
