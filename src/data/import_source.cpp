#include "data/import_source.hpp"

#include <algorithm>
#include <array>
#include <regex>

#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "echopath/core/text.hpp"

namespace echopath::data {
namespace {

constexpr std::array<const char*, 6> kVideoExtensions = {".avi", ".mp4", ".mov",
                                                         ".mkv", ".gif", ".m4v"};

bool is_hidden(const fs::path& path) {
  return path.filename().string().starts_with(".");
}

bool is_named_like_image(const fs::path& path) {
  const std::string name = to_lower(path.filename().string());
  return name.ends_with("_image.nii") || name.ends_with("_image.nii.gz");
}

/// Whether any image of CardiacNet's, plain or a folder of that name, lies in a class folder.
bool holds_cardiacnet(const fs::path& source) {
  if (!fs::is_directory(source)) return false;
  const auto options = fs::directory_options::skip_permission_denied;
  const fs::path top = fs::weakly_canonical(source);
  for (const auto& entry : fs::recursive_directory_iterator(top, options)) {
    if (!is_named_like_image(entry.path())) continue;
    for (fs::path folder = entry.path();; folder = folder.parent_path()) {
      if (!class_of_folder(folder.filename().string()).empty()) return true;
      if (folder == top) break;
    }
  }
  return false;
}

}  // namespace

bool is_video_file(const fs::path& path) {
  const std::string extension = to_lower(path.extension().string());
  return std::find(kVideoExtensions.begin(), kVideoExtensions.end(), extension) !=
         kVideoExtensions.end();
}

std::string class_of_folder(const std::string& folder_name) {
  static const std::regex pattern("(?:[0-9]+[-_. ]*)?(non[-_ ]?)?(asd|pah)", std::regex::icase);
  std::smatch match;
  if (!std::regex_match(folder_name, match, pattern)) return "";
  const std::string disease = to_lower(match[2].str()) == "asd" ? "ASD" : "PAH";
  return match[1].matched ? "Non-" + disease : disease;
}

std::vector<fs::path> files_under(const fs::path& source) {
  if (!fs::is_directory(source)) {
    require_file(source, "import source");
    return {source};
  }
  require_directory(source, "import source");
  std::vector<fs::path> files;
  const auto options = fs::directory_options::skip_permission_denied;
  for (auto entry = fs::recursive_directory_iterator(source, options);
       entry != fs::recursive_directory_iterator(); ++entry) {
    if (is_hidden(entry->path())) {
      entry.disable_recursion_pending();
    } else if (entry->is_regular_file()) {
      files.push_back(entry->path());
    }
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::vector<std::string> names_of(const fs::path& path, const fs::path& source) {
  const fs::path relative =
      fs::is_directory(source) ? path.lexically_relative(source) : path.filename();
  std::vector<std::string> names;
  for (const fs::path& name : {"." / relative, relative.filename()}) {
    names.push_back(name.generic_string());
    fs::path bare = fs::path(name).replace_extension();
    if (name.extension() == ".gz") bare.replace_extension();
    names.push_back(bare.generic_string());
  }
  return names;
}

std::string detect_format(const fs::path& source) {
  const std::vector<fs::path> files = files_under(source);
  std::vector<std::string> found;
  if (holds_cardiacnet(source)) found.push_back("cardiacnet");
  if (std::any_of(files.begin(), files.end(), is_video_file)) found.push_back("video");
  const auto is_dicom = [](const fs::path& path) {
    return !is_video_file(path) && io::looks_like_dicom(path);
  };
  if (std::any_of(files.begin(), files.end(), is_dicom)) found.push_back("dicom");
  if (found.empty()) {
    throw DataError("'" + source.string() +
                    "' holds no video, no CardiacNet folder and no DICOM file; check the path");
  }
  if (found.size() > 1) {
    throw UsageError("'" + source.string() + "' holds " + join(found, " and ") +
                     " files; say which to import with --format");
  }
  return found.front();
}

}  // namespace echopath::data
