#pragma once

#include <filesystem>

#include "echopath/config/options.hpp"

namespace echopath::models {

/// Reads JSON that came with somebody's weights: a fault in it is one of the data. Throws
/// DataError.
config::Json read_foreign_json(const std::filesystem::path& path);

}  // namespace echopath::models
