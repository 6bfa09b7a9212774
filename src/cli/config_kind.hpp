#pragma once

#include <string>
#include <vector>

#include "echopath/config/options.hpp"

namespace echopath::cli {

/// What can be configured by a file: the networks and sample.
std::vector<std::string> config_kinds();

/// The options of one kind. Throws UsageError with the nearest name.
config::VisitFunction options_of(const std::string& kind);

/// Reads the config file of one kind, checks it and gives it complete. Throws ConfigError naming
/// file and key, UsageError on an unknown kind.
config::Json check_config_of(const std::string& kind, const std::string& path);

/// The kind that a file's name ends or begins with: lidm.json, my_lidm.json, classifier_asd.json;
/// segmentation.json is a classifier's. Throws UsageError.
std::string kind_of_file(const std::string& path);

}  // namespace echopath::cli
