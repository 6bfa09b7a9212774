#pragma once

#include <torch/torch.h>

#include <cmath>
#include <cstdint>
#include <string>

namespace echopath::evaluation::testing {

/// The weights of tests/fixtures/evaluation/formula_weights.py, bit for bit.
inline at::Tensor formula_weight(const std::string& name, at::IntArrayRef shape) {
  std::uint64_t key = 0xCBF29CE484222325U;
  for (const char c : name) key = (key ^ static_cast<std::uint8_t>(c)) * 0x100000001B3U;
  const at::Tensor weight = at::empty(shape, at::kFloat);
  const std::int64_t count = weight.numel();
  const bool positive = name.ends_with("running_var") || name.ends_with("bn.weight");
  const double reach =
      std::sqrt(6.0 / static_cast<double>(std::max<std::int64_t>(1, count / weight.size(0))));
  auto* value = weight.data_ptr<float>();
  for (std::int64_t i = 0; i < count; ++i) {
    std::uint64_t z = key + static_cast<std::uint64_t>(i + 1) * 0x9E3779B97F4A7C15U;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9U;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBU;
    z ^= z >> 31;
    const double u = static_cast<double>(z >> 40) / 16777216.0;
    value[i] = static_cast<float>(positive             ? 0.5 + u
                                  : shape.size() == 1U ? (u - 0.5) * 0.2
                                                       : (2 * u - 1) * reach);
  }
  return weight;
}

/// Gives every parameter and buffer its weight by the formula.
inline void fill_by_formula(torch::nn::Module& module) {
  const torch::NoGradGuard no_gradients;
  for (auto& entry : module.named_parameters()) {
    entry.value().copy_(formula_weight(entry.key(), entry.value().sizes()));
  }
  for (auto& entry : module.named_buffers()) {
    entry.value().copy_(formula_weight(entry.key(), entry.value().sizes()));
  }
}

}  // namespace echopath::evaluation::testing
