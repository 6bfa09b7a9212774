#include "echopath/data/latent_dataset.hpp"

#include <charconv>
#include <cmath>
#include <optional>

#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "echopath/core/logging.hpp"
#include "echopath/core/text.hpp"
#include "echopath/io/pt_reader.hpp"

namespace echopath::data {
namespace {

/// A posterior so narrow that a draw is its mean.
constexpr double kNoSpread = -30.0;

/// Empty where there is none.
fs::path find_latents(const fs::path& directory, const Study& study) {
  const fs::path native = directory / "Latents" / (study.stem() + ".safetensors");
  if (fs::exists(native)) return native;
  const fs::path reference = directory / "Latents" / (study.stem() + ".pt");
  return fs::exists(reference) ? reference : fs::path();
}

/// What must be the same for all latents of a directory.
struct Origin {
  fs::path path;
  double scaling_factor = 0.0;
  std::string encoder_hash;
  std::vector<std::int64_t> latent_shape;  ///< [C, H, W]
};

std::string number_text(double value) {
  char text[32];
  const auto end = std::to_chars(text, text + sizeof(text), value);
  return std::string(text, end.ptr);
}

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
  origin.path = path;
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

/// Nothing, and a warning, for a damaged file that is to be left out.
std::optional<Origin> read_origin(const fs::path& path, bool skip_unreadable) {
  try {
    return read_origin(path);
  } catch (const DataError& error) {
    if (!skip_unreadable) throw;
    log_warning(std::string(error.what()) + "; left out, as data.skip_unreadable says");
    return std::nullopt;
  }
}

std::string shape_text(const std::vector<std::int64_t>& shape) {
  std::vector<std::string> sizes;
  for (const std::int64_t size : shape) sizes.push_back(std::to_string(size));
  return join(sizes, "x");
}

/// Throws DataError where latents do not go with the first ones of the list.
void require_same(const Origin& origin, const Origin& first) {
  const std::string path = origin.path.string();
  if (origin.encoder_hash != first.encoder_hash) {
    throw DataError(path +
                    " was made by another VAE than the first latents of the list; encode the "
                    "whole dataset with one VAE");
  }
  if (origin.latent_shape != first.latent_shape) {
    throw DataError(path + " holds latents of " + shape_text(origin.latent_shape) + ", " +
                    first.path.string() + " of " + shape_text(first.latent_shape) +
                    ": their videos differ in size; bring them to one size with `echopath import "
                    "--size N` and encode them again");
  }
  if (origin.scaling_factor != first.scaling_factor) {
    throw DataError(path + " states the scaling_factor " + number_text(origin.scaling_factor) +
                    ", " + first.path.string() + " states " + number_text(first.scaling_factor) +
                    "; encode the whole dataset with one model");
  }
}

}  // namespace

LatentVideo read_reference_latents(const fs::path& path) {
  const io::TensorMap tensors = io::load_pt(path);
  const auto found = tensors.find("");
  if (found == tensors.end() || found->second.dim() != 4 || found->second.numel() == 0 ||
      !found->second.is_floating_point()) {
    throw DataError(path.string() +
                    " holds no latent video: one floating-point tensor [T, C, H, W] with at least "
                    "one frame is expected");
  }
  const at::Tensor mean = found->second.to(at::kFloat) / kReferenceScalingFactor;
  return {mean, at::full_like(mean, kNoSpread)};
}

LatentDataset LatentDataset::open(const std::filesystem::path& directory, bool skip_unreadable) {
  require_directory(directory, "latents directory");
  const fs::path list = directory / "FileList.csv";
  if (!fs::exists(list)) {
    throw DataError("latents directory '" + directory.string() +
                    "' has no FileList.csv; make one with `echopath encode`");
  }
  LatentDataset dataset;
  dataset.directory_ = directory;
  std::optional<Origin> first;
  const std::vector<Study> listed = read_file_list(list);
  for (std::size_t i = 0; i < listed.size(); ++i) {
    const fs::path path = find_latents(directory, listed[i]);
    if (path.empty()) {
      throw DataError(list.string() + ": row " + std::to_string(i + 2) + ": latents of '" +
                      listed[i].file_name + "' are missing; encode the dataset again");
    }
    const std::optional<Origin> origin = read_origin(path, skip_unreadable);
    if (!origin) continue;
    if (!first) first = origin;
    require_same(*origin, *first);
    dataset.studies_.push_back(listed[i]);
  }
  if (!first) throw DataError("'" + directory.string() + "' holds no latents that can be read");
  dataset.scaling_factor_ = first->scaling_factor;
  dataset.encoder_hash_ = first->encoder_hash;
  dataset.latent_shape_ = first->latent_shape;
  return dataset;
}

std::vector<Study> LatentDataset::split(const std::string& name) const {
  return studies_of_split(studies_, name);
}

std::vector<std::string> LatentDataset::class_names() const {
  return class_names_of(studies_);
}

fs::path LatentDataset::latent_path(const Study& study) const {
  fs::path path = find_latents(directory_, study);
  if (path.empty()) {
    throw DataError("latents of '" + study.file_name + "' are missing in '" + directory_.string() +
                    "'; encode the dataset again");
  }
  return path;
}

LatentVideo LatentDataset::load(const Study& study) const {
  const fs::path path = latent_path(study);
  if (path.extension() == ".pt") return read_reference_latents(path);
  const io::SafetensorsFile file(path);
  return {file.tensor("mean"), file.tensor("logvar")};
}

io::Metadata latent_metadata(double scaling_factor, const std::string& encoder_hash,
                             const std::string& video_sha256) {
  io::Metadata metadata = {{"scaling_factor", number_text(scaling_factor)},
                           {"pixel_range", "[-1, 1]"},
                           {"encoder_hash", encoder_hash}};
  if (!video_sha256.empty()) metadata["video_sha256"] = video_sha256;
  return metadata;
}

void save_latents(const std::filesystem::path& path, const LatentVideo& latents,
                  double scaling_factor, const std::string& encoder_hash,
                  const std::string& video_sha256) {
  save_latents(path, latents, latent_metadata(scaling_factor, encoder_hash, video_sha256));
}

void save_latents(const std::filesystem::path& path, const LatentVideo& latents,
                  const io::Metadata& metadata) {
  io::save_safetensors(path, {{"mean", latents.mean}, {"logvar", latents.logvar}}, metadata);
}

void write_latents(const std::filesystem::path& directory, const Study& study,
                   const LatentVideo& latents, double scaling_factor,
                   const std::string& encoder_hash, const std::string& video_sha256) {
  save_latents(directory / "Latents" / (study.stem() + ".safetensors"), latents, scaling_factor,
               encoder_hash, video_sha256);
}

}  // namespace echopath::data
