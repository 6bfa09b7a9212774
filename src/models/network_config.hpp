#pragma once

#include <filesystem>
#include <string>

#include "echopath/config/options.hpp"
#include "echopath/core/errors.hpp"

namespace echopath::models {

/// A network's config.json, an object. Throws DataError where it is no JSON or nothing of the kind.
config::Json read_network_config(const std::filesystem::path& path);

/// Its `_class_name`; empty where it has none. Throws ConfigError where that is no text.
std::string class_name_of(const config::Json& config, const std::string& source);

/// Sets options of a network from its config.json. A key that it lacks has diffusers' default where
/// `_class_name` is one of diffusers' classes, as it has in Python; else the options' own. Throws
/// ConfigError as config::apply() does, and on keys that begin with "_" and are not diffusers'.
void apply_network_config(const config::Json& config, const config::VisitFunction& options,
                          const std::string& source);

/// The options as they stand, for a config.json; keys that have no effect here keep the value that
/// `read`, the config that the options are from, has for them.
config::Json complete_config(const config::Json& read, const config::VisitFunction& options);

/// Refuses keys that begin with "_" and that diffusers does not write. Throws ConfigError.
void require_known_metadata(const config::Json& config, const std::string& source);

/// What `make` answers; its complaints about a config get the name of the config's file.
template <class Make>
auto named_after(const std::string& source, Make make) -> decltype(make()) {
  try {
    return make();
  } catch (const ConfigError& error) {
    throw ConfigError(source + ": " + error.what());
  }
}

}  // namespace echopath::models
