#include "echopath/data/latent_dataset.hpp"

#include <charconv>
#include <cmath>

#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "echopath/io/pt_reader.hpp"

namespace echopath::data {
namespace {

/// A posterior so narrow that a draw is its mean.
constexpr double kNoSpread = -30.0;

fs::path latent_path(const fs::path& directory, const Study& study) {
  const fs::path native = directory / "Latents" / (study.stem() + ".safetensors");
  if (fs::exists(native)) return native;
  const fs::path reference = directory / "Latents" / (study.stem() + ".pt");
  return fs::exists(reference) ? reference : fs::path();
}

/// What must be the same for all latents of a directory.
struct Origin {
  double scaling_factor = 0.0;
  std::string encoder_hash;
  std::vector<std::int64_t> latent_shape;  ///< [C, H, W]
};

/// The factor in a latent file's metadata.
double read_scaling_factor(const io::SafetensorsFile& file, const fs::path& path) {
  const auto found = file.metadata().find("scaling_factor");
  double value = 0.0;
  if (found != file.metadata().end()) {
    const std::string& text = found->second;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size()) value = 0.0;
  }
  if (!(value > 0.0) || !std::isfinite(value)) {
    throw DataError(path.string() +
                    " states no scaling_factor in its metadata; encode the dataset again");
  }
  return value;
}

Origin read_origin(const fs::path& path) {
  Origin origin;
  std::vector<std::int64_t> shape;
  if (path.extension() == ".safetensors") {
    const io::SafetensorsFile file(path);
    origin.scaling_factor = read_scaling_factor(file, path);
    const auto hash = file.metadata().find("encoder_hash");
    if (hash != file.metadata().end()) origin.encoder_hash = hash->second;
    shape = file.shape("mean");
    if (file.shape("logvar") != shape || file.dtype("mean") != at::kFloat ||
        file.dtype("logvar") != at::kFloat) {
      throw DataError(path.string() + ": 'mean' and 'logvar' must be float32 of one shape");
    }
  } else {
    origin.scaling_factor = kReferenceScalingFactor;
    shape = read_reference_latents(path).mean.sizes().vec();
  }
  if (shape.size() != 4 || shape[0] < 1) {
    throw DataError(path.string() + ": 'mean' must be [T, C, H, W] with at least one frame");
  }
  origin.latent_shape.assign(shape.begin() + 1, shape.end());
  return origin;
}

}  // namespace

LatentVideo read_reference_latents(const fs::path& path) {
  const io::TensorMap tensors = io::load_pt(path);
  const auto found = tensors.find("");
  if (found == tensors.end() || found->second.dim() != 4) {
    throw DataError(path.string() + " holds no latent video: one tensor [T, C, H, W] is expected");
  }
  const at::Tensor mean = found->second.to(at::kFloat) / kReferenceScalingFactor;
  return {mean, at::full_like(mean, kNoSpread)};
}

LatentDataset LatentDataset::open(const std::filesystem::path& directory) {
  require_directory(directory, "latents directory");
  const fs::path list = directory / "FileList.csv";
  if (!fs::exists(list)) {
    throw DataError("latents directory '" + directory.string() +
                    "' has no FileList.csv; make one with `echopath encode`");
  }
  LatentDataset dataset;
  dataset.directory_ = directory;
  dataset.studies_ = read_file_list(list);
  for (std::size_t i = 0; i < dataset.studies_.size(); ++i) {
    const Study& study = dataset.studies_[i];
    const fs::path path = latent_path(directory, study);
    if (path.empty()) {
      throw DataError(list.string() + ": row " + std::to_string(i + 2) + ": latents of '" +
                      study.file_name + "' are missing; encode the dataset again");
    }
    const Origin origin = read_origin(path);
    if (i == 0) {
      dataset.scaling_factor_ = origin.scaling_factor;
      dataset.encoder_hash_ = origin.encoder_hash;
      dataset.latent_shape_ = origin.latent_shape;
    } else if (origin.scaling_factor != dataset.scaling_factor_ ||
               origin.encoder_hash != dataset.encoder_hash_ ||
               origin.latent_shape != dataset.latent_shape_) {
      throw DataError(path.string() +
                      " was made by another VAE than the first latents of the list; encode the "
                      "whole dataset with one VAE");
    }
  }
  return dataset;
}

std::vector<Study> LatentDataset::split(const std::string& name) const {
  return studies_of_split(studies_, name);
}

std::vector<std::string> LatentDataset::class_names() const {
  return class_names_of(studies_);
}

LatentVideo LatentDataset::load(const Study& study) const {
  const fs::path path = latent_path(directory_, study);
  if (path.empty()) {
    throw DataError("latents of '" + study.file_name + "' are missing in '" + directory_.string() +
                    "'");
  }
  if (path.extension() == ".pt") return read_reference_latents(path);
  const io::SafetensorsFile file(path);
  return {file.tensor("mean"), file.tensor("logvar")};
}

void save_latents(const std::filesystem::path& path, const LatentVideo& latents,
                  double scaling_factor, const std::string& encoder_hash) {
  char factor[32];
  const auto end = std::to_chars(factor, factor + sizeof(factor), scaling_factor);
  io::save_safetensors(path, {{"mean", latents.mean}, {"logvar", latents.logvar}},
                       {{"scaling_factor", std::string(factor, end.ptr)},
                        {"pixel_range", "[-1, 1]"},
                        {"encoder_hash", encoder_hash}});
}

void write_latents(const std::filesystem::path& directory, const Study& study,
                   const LatentVideo& latents, double scaling_factor,
                   const std::string& encoder_hash) {
  save_latents(directory / "Latents" / (study.stem() + ".safetensors"), latents, scaling_factor,
               encoder_hash);
}

}  // namespace echopath::data
