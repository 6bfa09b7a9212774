#include "models/foreign_json.hpp"

#include "echopath/core/errors.hpp"

namespace echopath::models {

config::Json read_foreign_json(const std::filesystem::path& path) {
  try {
    return config::read_json(path.string());
  } catch (const ConfigError& error) {
    throw DataError(error.what());
  }
}

}  // namespace echopath::models
