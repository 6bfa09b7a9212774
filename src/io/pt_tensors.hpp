#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <map>
#include <string>

#include "echopath/io/safetensors.hpp"
#include "io/pickle_machine.hpp"

namespace echopath::io {

/// A storage as the pickle announces it.
struct PtStorage {
  at::ScalarType dtype = at::kByte;
  std::uint64_t count = 0;  ///< elements

  std::uint64_t bytes() const { return count * at::elementSize(dtype); }
};

/// All storages that a pickle refers to, by key. Throws DataError where a reference is malformed,
/// contradicts another, or needs more than `max_bytes`.
std::map<std::string, PtStorage> announced_storages(const PickleMachine& machine,
                                                    std::uint64_t max_bytes,
                                                    const std::string& source);

/// A one-dimensional tensor of a storage's raw little-endian bytes, filled by `read(bytes,
/// length)`.
template <class Read>
at::Tensor storage_tensor(const PtStorage& storage, Read&& read) {
  at::Tensor raw = at::empty({static_cast<std::int64_t>(storage.bytes())}, at::kByte);
  if (storage.count > 0) {
    read(static_cast<char*>(raw.data_ptr()), static_cast<std::size_t>(storage.bytes()));
  }
  return storage.dtype == at::kBool ? raw.ne(0) : raw.view(storage.dtype);
}

/// The tensors under `root`, keyed as load_pt() documents, as views of their storages.
TensorMap collect_tensors(const PickleMachine& machine, PickleIndex root, const TensorMap& storages,
                          const std::string& source);

}  // namespace echopath::io
