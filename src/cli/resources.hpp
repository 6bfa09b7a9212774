#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace echopath::cli {

/// The folder that holds the shipped `configs/` and `models/`: $ECHOPATH_HOME, else share/echopath
/// beside the program's bin/, else the nearest folder above the program that has configs/ (a build
/// tree inside the sources). Empty where there is none.
std::filesystem::path resource_root();

/// A shipped file or folder such as "models/phantom". Throws DataError naming the places looked at
/// and the remedy.
std::filesystem::path shipped(const std::string& relative_path);

/// A config as people name it: a path as it stands, else below the shipped configs, with or without
/// "configs/" and ".json" ("paper/lidm"). Throws ConfigError with the nearest shipped name.
std::filesystem::path find_config(const std::string& name);

/// The shipped configs relative to configs/, sorted: "paper/lidm.json".
std::vector<std::string> shipped_configs();

/// The model directory to use: `given`, or the demo model where it is empty.
std::filesystem::path model_or_default(const std::string& given);

/// The demo model, relative to resource_root().
inline constexpr const char* kDefaultModel = "models/phantom";

}  // namespace echopath::cli
