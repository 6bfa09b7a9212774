#include "echopath/data/fingerprint.hpp"

#include <map>
#include <system_error>

#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "echopath/io/safetensors.hpp"

namespace echopath::data {
namespace {

/// Sizes of the files in the folders of a data directory, hidden ones left out.
std::map<std::string, std::uintmax_t> file_sizes(const fs::path& directory) {
  std::map<std::string, std::uintmax_t> sizes;
  for (const char* folder : {"Videos", "Latents", "Masks"}) {
    if (!fs::is_directory(directory / folder)) continue;
    for (const fs::directory_entry& entry : fs::directory_iterator(directory / folder)) {
      const std::string name = entry.path().filename().string();
      if (entry.is_regular_file() && name.front() != '.') {
        sizes[(fs::path(folder) / name).string()] = entry.file_size();
      }
    }
  }
  return sizes;
}

/// Appends what a latent file says of its making. False for a damaged one, which a training may
/// pass over.
bool add_metadata(const fs::path& path, std::string& text) {
  try {
    const io::SafetensorsFile file(path);
    for (const auto& [key, value] : file.metadata()) text += key + " " + value + "\n";
    return true;
  } catch (const DataError&) {
    return false;
  }
}

}  // namespace

std::string fingerprint(const fs::path& directory) {
  try {
    std::string text = read_file(directory / "FileList.csv");
    std::uintmax_t bytes = 0;
    const std::map<std::string, std::uintmax_t> sizes = file_sizes(directory);
    bool made_by_known = false;
    for (const auto& [name, size] : sizes) {
      text += name + " " + std::to_string(size) + "\n";
      bytes += size;
      if (made_by_known || fs::path(name).extension() != ".safetensors") continue;
      made_by_known = add_metadata(directory / name, text);  // all are of one VAE
    }
    return std::to_string(sizes.size()) + " files of " + std::to_string(bytes) +
           " bytes, fingerprint " + sha256_hex(text).substr(0, 12);
  } catch (const fs::filesystem_error& error) {
    throw DataError("'" + directory.string() + "' cannot be read: " + error.code().message());
  }
}

}  // namespace echopath::data
