#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace echopath::io {

/// One tensor of a safetensors header; offsets are in bytes from the end of the header.
struct SafetensorsEntry {
  std::string name;
  std::string dtype;
  std::vector<std::uint64_t> shape;
  std::vector<std::uint64_t> offsets;
};

struct SafetensorsHeader {
  std::vector<SafetensorsEntry> entries;  ///< in the file's order
  std::map<std::string, std::string> metadata;
};

/// Parses the JSON of a header: an object of {dtype, shape, data_offsets} objects beside an
/// optional
/// "__metadata__" object of texts. A name, key or metadata key that occurs twice is refused.
/// Throws DataError that starts with `source`.
SafetensorsHeader parse_safetensors_header(std::string_view json, const std::string& source);

/// The dtype's name in the format; nullptr for one that the format or this program lacks.
const char* safetensors_dtype_name(at::ScalarType type);
/// The dtype of a name. Throws DataError that starts with `source`.
at::ScalarType safetensors_dtype(const std::string& name, const std::string& source);
/// Place of a dtype in the order in which the format's reference implementation lays tensors out.
int safetensors_layout_rank(at::ScalarType type);

}  // namespace echopath::io
