#pragma once

#include <ATen/ATen.h>

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "echopath/core/files.hpp"

namespace echopath::io {

using TensorMap = std::map<std::string, at::Tensor>;
using Metadata = std::map<std::string, std::string>;

class MappedFile;
struct SafetensorsEntry;

/// A memory-mapped safetensors file. The header is checked in full at opening (sizes against the
/// file before any allocation; overlaps, holes, ranges outside the file, duplicate names and
/// unknown dtypes are refused; entries may come in any order). Readable dtypes: F64, F32, F16,
/// BF16, I64, I32, I16, I8, U8, BOOL.
class SafetensorsFile {
 public:
  /// Throws DataError naming the file and the fault.
  explicit SafetensorsFile(const std::filesystem::path& path);

  /// In alphabetical order.
  const std::vector<std::string>& names() const { return names_; }
  bool contains(const std::string& name) const;
  /// A CPU tensor on the map, which it keeps alive; a copy where the file's place for it is not
  /// aligned. Writing to it does not reach the file. Throws DataError naming file and tensor where
  /// absent.
  at::Tensor tensor(const std::string& name) const;
  /// Gives the memory of a tensor that was only read back to the system; touching it again reads it
  /// from the file again. So a file can be copied tensor by tensor without being in memory whole.
  void forget(const std::string& name) const;
  std::vector<std::int64_t> shape(const std::string& name) const;
  at::ScalarType dtype(const std::string& name) const;
  const Metadata& metadata() const { return metadata_; }
  TensorMap all() const;

 private:
  struct Entry {
    at::ScalarType dtype;
    std::vector<std::int64_t> shape;
    std::size_t begin = 0;  ///< bytes from the start of the file
    std::size_t end = 0;
  };
  const Entry& entry(const std::string& name) const;
  void add_entry(const SafetensorsEntry& raw, std::size_t data_begin);
  void check_tiling(std::size_t data_begin) const;

  std::filesystem::path path_;
  std::shared_ptr<MappedFile> map_;
  std::map<std::string, Entry> entries_;
  std::vector<std::string> names_;
  Metadata metadata_;
};

/// Reads everything into memory the program owns.
TensorMap load_safetensors(const std::filesystem::path& path);
/// Writes atomically; tensors are made contiguous on the CPU. The data start at a multiple of 8
/// bytes and lie in the order of the format's reference implementation (wide dtypes first, then by
/// name), so that each tensor is aligned and the same tensors give the same bytes. Throws DataError
/// on a dtype that cannot be read back, a name that is not UTF-8, or a failed write.
void save_safetensors(const std::filesystem::path& path, const TensorMap& tensors,
                      const Metadata& metadata = {}, Durability durability = Durability::kSynced);

}  // namespace echopath::io
