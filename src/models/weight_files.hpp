#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "echopath/io/safetensors.hpp"

namespace echopath::models {

/// Weights as they lie in a file or in the shards of one.
struct StoredWeights {
  io::TensorMap tensors;  ///< on the map where the file is safetensors
  io::Metadata metadata;  ///< of a single safetensors file
  std::string format;     ///< "safetensors", "torch.save", "safetensors in 3 shards", …
  std::string where;      ///< the file, or the index of the shards
  std::vector<io::SafetensorsFile> files;  ///< that the tensors are mapped from

  /// Whether a tensor is on a map, which nothing but it uses.
  bool is_mapped(const std::string& name) const;
  /// io::SafetensorsFile::forget() of a tensor, where it is on a map.
  void forget(const std::string& name) const;
};

/// Whether the file's content is that of safetensors or of torch.save, whatever its name.
bool is_safetensors_file(const std::filesystem::path& path);
bool is_torch_file(const std::filesystem::path& path);

/// The one file that holds a folder's weights: the index of shards, or a safetensors file, or one
/// of torch.save, in this order; an empty path where there is none. Throws DataError listing the
/// files where the choice is open.
std::filesystem::path find_weights(const std::filesystem::path& directory);
/// The same among files with the names that diffusers and accelerate give to weights
/// (`diffusion_pytorch_model.…`); others may lie beside them. A variant
/// (`diffusion_pytorch_model.fp16.…`) is taken where the plain one is absent and it is the only
/// one.
std::filesystem::path find_named_weights(const std::filesystem::path& directory);

/// A weights file; an index and its shards.
std::vector<std::filesystem::path> files_of_weights(const std::filesystem::path& path);

/// SHA-256 of a weights file; of an index's shards, that of their hashes in order of their names.
std::string hash_of_weights(const std::filesystem::path& path);

/// Reads a weights file or an index of shards (`weight_map`). Throws one DataError that names every
/// faulty file: damage; an index that points outside its folder, at absent or damaged shards, or at
/// tensors that a shard lacks; tensors of a shard that the index does not list.
StoredWeights read_stored_weights(const std::filesystem::path& path);

}  // namespace echopath::models
