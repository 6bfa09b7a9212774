#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "echopath/config/options.hpp"

namespace echopath::models {

/// Checks of a network's config; each throws ConfigError naming the network, the key and the
/// remedy.

void require_divisible(const char* network, const char* key,
                       const std::vector<std::int64_t>& channels, std::int64_t groups,
                       const char* groups_key);

/// One entry per block, each of `allowed`.
void require_block_types(const char* network, const char* key,
                         const std::vector<std::string>& types,
                         const std::vector<std::string>& allowed, std::size_t blocks);

/// `value` has one entry, or one per block; returns one per block.
std::vector<std::int64_t> per_block(const char* network, const char* key,
                                    const std::vector<std::int64_t>& value, std::size_t blocks);

/// Throws DataError unless the height and width of a sample are multiples of `multiple`.
void require_spatial_multiple(const char* network, std::int64_t height, std::int64_t width,
                              std::int64_t multiple);

/// diffusers' video UNet has 32 groups in each norm and no key for it: ours is left out of a
/// config.json that says so.
void drop_default_groups(const std::string& class_name, config::Json& config);

/// Throws DataError unless there are as many of `what` as there are samples.
void require_one_for_each_sample(const char* network, const char* what, std::int64_t count,
                                 std::int64_t samples);

}  // namespace echopath::models
