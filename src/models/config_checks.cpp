#include "models/config_checks.hpp"

#include <algorithm>

#include "echopath/core/errors.hpp"
#include "echopath/core/text.hpp"

namespace echopath::models {

void require_divisible(const char* network, const char* key,
                       const std::vector<std::int64_t>& channels, std::int64_t groups,
                       const char* groups_key) {
  for (const std::int64_t count : channels) {
    if (count % groups != 0) {
      throw ConfigError(std::string(network) + ": " + key + " has " + std::to_string(count) +
                        ", which does not divide by " + groups_key + " = " +
                        std::to_string(groups));
    }
  }
}

void require_block_types(const char* network, const char* key,
                         const std::vector<std::string>& types,
                         const std::vector<std::string>& allowed, std::size_t blocks) {
  if (types.size() != blocks) {
    throw ConfigError(std::string(network) + ": " + key + " has " + std::to_string(types.size()) +
                      " entries, but block_out_channels has " + std::to_string(blocks));
  }
  for (const std::string& type : types) {
    if (std::find(allowed.begin(), allowed.end(), type) == allowed.end()) {
      throw ConfigError(std::string(network) + ": " + key + " has '" + type +
                        "'; supported: " + join(allowed, ", "));
    }
  }
}

std::vector<std::int64_t> per_block(const char* network, const char* key,
                                    const std::vector<std::int64_t>& value, std::size_t blocks) {
  if (value.size() == blocks) return value;
  if (value.size() == 1) return std::vector<std::int64_t>(blocks, value[0]);
  throw ConfigError(std::string(network) + ": " + key + " has " + std::to_string(value.size()) +
                    " entries; give one number, or one for each of the " + std::to_string(blocks) +
                    " blocks");
}

void require_spatial_multiple(const char* network, std::int64_t height, std::int64_t width,
                              std::int64_t multiple) {
  if (height % multiple == 0 && width % multiple == 0) return;
  throw DataError(std::string(network) + ": a sample of " + std::to_string(height) + "x" +
                  std::to_string(width) + " does not fit; height and width must be multiples of " +
                  std::to_string(multiple) + " (pad_latents)");
}

void require_one_for_each_sample(const char* network, const char* what, std::int64_t count,
                                 std::int64_t samples) {
  if (count == samples) return;
  throw DataError(std::string(network) + ": " + what + " has " + std::to_string(count) +
                  " entries for a batch of " + std::to_string(samples) +
                  "; give one for each sample");
}

void drop_default_groups(const std::string& class_name, config::Json& config) {
  const bool video = class_name == "UNetSpatioTemporalConditionModel";
  if (video && config.value("norm_num_groups", 32) == 32) config.erase("norm_num_groups");
}

}  // namespace echopath::models
