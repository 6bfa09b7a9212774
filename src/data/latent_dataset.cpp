#include "echopath/data/latent_dataset.hpp"

#include <algorithm>
#include <charconv>

#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "echopath/io/pt_reader.hpp"

namespace echopath::data {
namespace {

/// EchoNet-Synthetic's latents carry no metadata; they are scaled by this factor.
constexpr double kReferenceScalingFactor = 0.18215;
/// A posterior so narrow that a draw is its mean.
constexpr double kNoSpread = -30.0;

fs::path latent_path(const fs::path& directory, const Study& study) {
  const fs::path native = directory / "Latents" / (study.stem() + ".safetensors");
  if (fs::exists(native)) return native;
  const fs::path reference = directory / "Latents" / (study.stem() + ".pt");
  return fs::exists(reference) ? reference : fs::path();
}

LatentVideo read_reference_latents(const fs::path& path) {
  const io::TensorMap tensors = io::load_pt(path);
  const auto found = tensors.find("");
  if (found == tensors.end() || found->second.dim() != 4) {
    throw DataError(path.string() + " holds no latent video: one tensor [T, C, H, W] is expected");
  }
  const at::Tensor mean = found->second.to(at::kFloat) / kReferenceScalingFactor;
  return {mean, at::full_like(mean, kNoSpread)};
}

/// Scaling factor and VAE hash of one native latent file.
std::pair<double, std::string> read_origin(const io::SafetensorsFile& file, const fs::path& path) {
  const auto factor = file.metadata().find("scaling_factor");
  double value = 0.0;
  if (factor != file.metadata().end()) {
    std::from_chars(factor->second.data(), factor->second.data() + factor->second.size(), value);
  }
  if (value <= 0.0) {
    throw DataError(path.string() +
                    " states no scaling_factor in its metadata; encode the dataset again");
  }
  const auto hash = file.metadata().find("vae_hash");
  return {value, hash == file.metadata().end() ? "" : hash->second};
}

}  // namespace

LatentDataset LatentDataset::open(const std::filesystem::path& directory) {
  require_directory(directory, "latents directory");
  if (!fs::exists(directory / "FileList.csv")) {
    throw DataError("latents directory '" + directory.string() +
                    "' has no FileList.csv; make one with `echopath encode`");
  }
  LatentDataset dataset;
  dataset.directory_ = directory;
  dataset.studies_ = read_file_list(directory / "FileList.csv");
  for (std::size_t i = 0; i < dataset.studies_.size(); ++i) {
    const Study& study = dataset.studies_[i];
    const fs::path path = latent_path(directory, study);
    if (path.empty()) {
      throw DataError((directory / "FileList.csv").string() + ": row " + std::to_string(i + 2) +
                      ": latents of '" + study.file_name +
                      "' are missing; encode the dataset again");
    }
    std::pair<double, std::string> origin{kReferenceScalingFactor, ""};
    std::vector<std::int64_t> shape;
    if (path.extension() == ".safetensors") {
      const io::SafetensorsFile file(path);
      origin = read_origin(file, path);
      shape = file.shape("mean");
    } else {
      shape = read_reference_latents(path).mean.sizes().vec();
    }
    if (shape.size() != 4 || shape[0] < 1) {
      throw DataError(path.string() + ": 'mean' must be [T, C, H, W] with at least one frame");
    }
    shape.erase(shape.begin());
    if (i == 0) {
      std::tie(dataset.scaling_factor_, dataset.vae_hash_) = origin;
      dataset.latent_shape_ = shape;
    } else if (origin != std::pair(dataset.scaling_factor_, dataset.vae_hash_) ||
               shape != dataset.latent_shape_) {
      throw DataError(
          path.string() +
          " was made by another VAE than the first latents of the list; encode the whole "
          "dataset with one VAE");
    }
  }
  return dataset;
}

std::vector<Study> LatentDataset::split(const std::string& name) const {
  std::vector<Study> studies;
  std::copy_if(studies_.begin(), studies_.end(), std::back_inserter(studies),
               [&](const Study& study) { return study.split == name; });
  return studies;
}

std::vector<std::string> LatentDataset::class_names() const {
  std::vector<std::string> names;
  for (const Study& study : studies_) {
    if (std::find(names.begin(), names.end(), study.class_name) == names.end()) {
      names.push_back(study.class_name);
    }
  }
  return names;
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

void write_latents(const std::filesystem::path& directory, const Study& study,
                   const LatentVideo& latents, double scaling_factor, const std::string& vae_hash) {
  char factor[32];
  const auto end = std::to_chars(factor, factor + sizeof(factor), scaling_factor);
  io::save_safetensors(directory / "Latents" / (study.stem() + ".safetensors"),
                       {{"mean", latents.mean}, {"logvar", latents.logvar}},
                       {{"scaling_factor", std::string(factor, end.ptr)},
                        {"pixel_range", "[-1, 1]"},
                        {"vae_hash", vae_hash}});
}

}  // namespace echopath::data
