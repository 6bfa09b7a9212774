#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "echopath/io/safetensors.hpp"

namespace echopath::models {

/// Copies `weights` into the module's parameters and buffers, converting to their dtype and device.
/// Throws one DataError that names `source` and lists all missing keys, all extra keys, all wrong
/// shapes and dtypes (integers for floating-point numbers, say), or all keys with values that are
/// not finite. A file is read tensor by tensor, and none of it stays in memory.
void load_weights(torch::nn::Module& module, const io::TensorMap& weights,
                  const std::string& source);
void load_weights(torch::nn::Module& module, const io::SafetensorsFile& weights,
                  const std::string& source);

/// The module's parameters and buffers, detached, with floating-point ones in `dtype` where given.
/// Without a dtype the tensors share the module's memory.
io::TensorMap state_dict(const torch::nn::Module& module,
                         std::optional<at::ScalarType> dtype = std::nullopt);

/// Writes the module's weights atomically. Throws DataError where they are not finite.
void save_weights(const torch::nn::Module& module, const std::filesystem::path& path,
                  at::ScalarType dtype = at::kFloat, const io::Metadata& metadata = {});

/// The number of trainable and frozen parameters.
std::int64_t parameter_count(const torch::nn::Module& module);

}  // namespace echopath::models
