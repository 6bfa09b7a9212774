#include <algorithm>
#include <cmath>
#include <regex>

#include "data/import_source.hpp"
#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "echopath/core/text.hpp"
#include "echopath/io/nifti.hpp"

namespace echopath::data {
namespace {

/// "001" of "001_image.nii", "001_image.nii.gz"; "" for labels and everything else.
std::string number_of_image(const std::string& name) {
  static const std::regex pattern("(.+)_image\\.nii(?:\\.gz)?", std::regex::icase);
  std::smatch match;
  return std::regex_match(name, match, pattern) ? match[1].str() : "";
}

/// "patient-12" of "patient-12-4_image.nii"; "" where the name has no patient.
std::string patient_in_name(const std::string& name) {
  static const std::regex pattern("(patient)[-_ ]?([0-9a-z]+)", std::regex::icase);
  std::smatch match;
  return std::regex_search(name, match, pattern) ? "patient-" + match[2].str() : "";
}

/// The single file in a folder that is named like an image.
fs::path only_file_in(const fs::path& folder) {
  const std::vector<fs::path> files = files_under(folder);
  if (files.size() != 1) {
    throw DataError("'" + folder.string() + "' should hold one NIfTI file and holds " +
                    std::to_string(files.size()));
  }
  return files.front();
}

/// Names under which a CSV may list the image at `path`, a file or a folder with one file in it:
/// the path, the path that begins with its class ("ASD/001_image.nii.gz"), the names of both, and
/// the name in the dataset ("ASD_001").
std::vector<std::string> names_of_image(const fs::path& path, const fs::path& source,
                                        const SourceClip& clip) {
  std::vector<std::string> names = names_of(path, source);
  const auto append = [&names](const std::vector<std::string>& more) {
    names.insert(names.end(), more.begin(), more.end());
  };
  append(names_of(source / clip.study.class_name / path.filename(), source));
  if (clip.path != path) append(names_of(clip.path, source));
  names.push_back(clip.study.file_name);
  return names;
}

void add_image(const fs::path& path, const std::string& class_name, const fs::path& source,
               SourceListing& listing) {
  SourceClip clip;
  clip.path = path;
  const std::string number = number_of_image(path.filename().string());
  clip.study.class_name = class_name;
  clip.study.file_name = class_name + "_" + number;
  clip.study.patient_id = clip.study.file_name;
  if (fs::is_directory(path)) {
    try {
      clip.path = only_file_in(path);
    } catch (const DataError& error) {
      listing.failed.push_back({path, error.what()});
      return;
    }
    const std::string patient = patient_in_name(clip.path.filename().string());
    if (!patient.empty()) clip.study.patient_id = class_name + "_" + patient;
  }
  clip.names = names_of_image(path, source, clip);
  listing.clips.push_back(std::move(clip));
}

/// Descends to the class folders and, inside one, to the images.
void walk(const fs::path& folder, const std::string& class_name, const fs::path& source,
          SourceListing& listing) {
  std::vector<fs::path> entries;
  const auto options = fs::directory_options::skip_permission_denied;
  for (const auto& entry : fs::directory_iterator(folder, options)) entries.push_back(entry.path());
  std::sort(entries.begin(), entries.end());
  for (const fs::path& entry : entries) {
    const std::string name = entry.filename().string();
    if (name.starts_with(".")) continue;
    if (!class_name.empty() && !number_of_image(name).empty()) {
      add_image(entry, class_name, source, listing);
    } else if (fs::is_directory(entry) && !fs::is_symlink(entry)) {
      const std::string inner = class_of_folder(name);
      walk(entry, inner.empty() ? class_name : inner, source, listing);
    }
  }
}

/// 0…255 as stored (CardiacNet's range); anything else is stretched over the clip.
std::vector<std::uint8_t> to_bytes(std::vector<float>& values) {
  for (float& value : values) {
    if (!std::isfinite(value)) value = 0.0f;
  }
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  const bool as_stored = *low >= 0.0f && *high <= 255.0f && *high > 1.0f;
  const float offset = as_stored ? 0.0f : *low;
  const float scale = as_stored || *high <= *low ? 1.0f : 255.0f / (*high - *low);
  std::vector<std::uint8_t> bytes(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    bytes[i] = static_cast<std::uint8_t>(std::lround((values[i] - offset) * scale));
  }
  return bytes;
}

}  // namespace

SourceListing list_cardiacnet(const fs::path& source) {
  require_directory(source, "import source");
  SourceListing listing;
  listing.prepared = true;
  walk(source, class_of_folder(fs::weakly_canonical(source).filename().string()), source, listing);
  return listing;
}

/// The published preparation turns slice [:, :, t] of the array (X, Y, T) by rot90(1) and flips its
/// second axis: pixel (row r, column c) is array element (X−1−c, Y−1−r).
DecodedClip decode_cardiacnet(const SourceClip& clip) {
  io::NiftiCine cine = io::read_nifti(clip.path);
  if (cine.values.empty()) throw DataError("'" + clip.path.string() + "' holds no frames");
  DecodedClip decoded;
  decoded.study = clip.study;
  decoded.names = clip.names;
  decoded.patient_names = {clip.study.patient_id};
  io::Frames& frames = decoded.frames;
  frames.count = cine.count;
  frames.height = cine.size_y;
  frames.width = cine.size_x;
  frames.fps = cine.frame_seconds > 0.0 ? 1.0 / cine.frame_seconds : 0.0;
  frames.pixels = to_bytes(cine.values);
  // Both axes of [Y][X] run backwards: each frame's pixels in reverse order.
  for (std::int64_t t = 0; t < frames.count; ++t) {
    std::reverse(frames.frame(t), frames.frame(t) + frames.frame_size());
  }
  return decoded;
}

}  // namespace echopath::data
