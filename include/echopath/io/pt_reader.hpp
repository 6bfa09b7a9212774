#pragma once

#include <filesystem>

#include "echopath/io/safetensors.hpp"

namespace echopath::io {

/// Reads the tensors of a file of Python's torch.save, in the zip format and in the stream format
/// of torch before 1.6. Nothing of the file is executed: its pickle is read by a small machine that
/// knows tensors, parameters, plain and ordered dictionaries, lists, tuples, numbers and texts, and
/// refuses every other Python class or function by name.
///
/// A bare tensor has the key ""; a dictionary's tensors have its keys, those of nested
/// dictionaries, lists and tuples dotted paths ("optimizer.0.step"). Numbers, texts and None are
/// left out. Tensors come on the CPU with their saved strides; views of one storage still share it.
///
/// Throws DataError naming the file and the fault: damage, sizes that do not fit the file, tensors
/// outside their storage, nesting over 64 levels, TorchScript archives, no tensor at all.
TensorMap load_pt(const std::filesystem::path& path);

}  // namespace echopath::io
