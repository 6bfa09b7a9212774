#include "cli/resources.hpp"

#include <algorithm>
#include <cstdlib>

#include "echopath/core/errors.hpp"
#include "echopath/core/text.hpp"

namespace echopath::cli {
namespace {

namespace fs = std::filesystem;

/// A folder of ours and not anyone's folder with a configs/ in it.
bool is_root(const fs::path& folder) {
  std::error_code ignored;
  return fs::is_directory(folder / "configs" / "paper", ignored);
}

fs::path program_path() {
  std::error_code error;
  const fs::path path = fs::read_symlink("/proc/self/exe", error);
  return error ? fs::path() : path;
}

}  // namespace

fs::path resource_root() {
  if (const char* home = std::getenv("ECHOPATH_HOME"); home != nullptr && *home != '\0') {
    return home;
  }
  const fs::path program = program_path();
  if (program.empty()) return {};
  const fs::path installed = program.parent_path().parent_path() / "share" / "echopath";
  if (is_root(installed)) return installed;
  for (fs::path folder = program.parent_path(); folder != folder.root_path();
       folder = folder.parent_path()) {
    if (is_root(folder)) return folder;
  }
  return {};
}

fs::path shipped(const std::string& relative_path) {
  const fs::path root = resource_root();
  std::error_code ignored;
  if (!root.empty() && fs::exists(root / relative_path, ignored)) return root / relative_path;
  throw DataError("'" + relative_path + "' was not found " +
                  (root.empty() ? "beside the program" : "in " + root.string()) +
                  "; set ECHOPATH_HOME to the folder that holds configs/ and models/");
}

std::vector<std::string> shipped_configs() {
  std::vector<std::string> names;
  const fs::path folder = shipped("configs");
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.path().extension() == ".json") {
      names.push_back(entry.path().lexically_relative(folder).generic_string());
    }
  }
  std::sort(names.begin(), names.end());
  return names;
}

fs::path find_config(const std::string& name) {
  std::error_code ignored;
  if (fs::exists(name, ignored)) return name;
  std::string wanted = name;
  if (wanted.rfind("configs/", 0) == 0) wanted.erase(0, std::string("configs/").size());
  if (fs::path(wanted).extension() != ".json") wanted += ".json";
  const fs::path root = resource_root();
  if (root.empty()) throw ConfigError("config '" + name + "' does not exist");
  const std::vector<std::string> known = shipped_configs();
  if (std::find(known.begin(), known.end(), wanted) != known.end()) {
    return root / "configs" / wanted;
  }
  const std::string nearest = nearest_name(wanted, known);
  throw ConfigError("config '" + name + "' does not exist; " +
                    (nearest.empty() ? "`echopath config list` lists those that ship"
                                     : "did you mean 'configs/" + nearest + "'?"));
}

fs::path model_or_default(const std::string& given) {
  return given.empty() ? shipped(kDefaultModel) : fs::path(given);
}

}  // namespace echopath::cli
