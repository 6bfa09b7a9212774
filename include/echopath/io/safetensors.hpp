#pragma once

#include <ATen/ATen.h>

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace echopath::io {

using TensorMap = std::map<std::string, at::Tensor>;
using Metadata = std::map<std::string, std::string>;

/// A memory-mapped safetensors file. The header is checked in full at opening (sizes against the
/// file before any allocation; overlaps, holes, ranges outside the file, duplicate names and unknown
/// dtypes are refused; entries may come in any order).
class SafetensorsFile {
 public:
  /// Throws DataError naming the file and the fault.
  explicit SafetensorsFile(const std::filesystem::path& path);

  const std::vector<std::string>& names() const { return names_; }
  bool contains(const std::string& name) const;
  /// Throws DataError naming file and tensor where absent.
  at::Tensor tensor(const std::string& name) const;  ///< a view of the map, kept alive by the tensor
  std::vector<std::int64_t> shape(const std::string& name) const;
  at::ScalarType dtype(const std::string& name) const;
  const Metadata& metadata() const { return metadata_; }
  TensorMap all() const;

 private:
  struct Map;
  struct Entry {
    at::ScalarType dtype;
    std::vector<std::int64_t> shape;
    std::size_t begin = 0;
    std::size_t end = 0;
  };
  std::filesystem::path path_;
  std::shared_ptr<Map> map_;
  std::map<std::string, Entry> entries_;
  std::vector<std::string> names_;
  Metadata metadata_;
};

/// Reads everything into memory the program owns.
TensorMap load_safetensors(const std::filesystem::path& path);
/// Writes atomically; tensors are made contiguous on the CPU. Aligned to 8 bytes, names sorted: the
/// same tensors give the same bytes.
void save_safetensors(const std::filesystem::path& path, const TensorMap& tensors,
                      const Metadata& metadata = {});

}  // namespace echopath::io
