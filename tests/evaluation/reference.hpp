#pragma once

#include "echopath/io/safetensors.hpp"

namespace echopath::evaluation::testing {

/// The values that tests/fixtures/evaluation/make.py wrote.
inline const io::TensorMap& reference() {
  static const io::TensorMap tensors =
      io::load_safetensors(ECHOPATH_SOURCE_DIR "/tests/fixtures/evaluation/reference.safetensors");
  return tensors;
}

/// The values that tests/fixtures/evaluation/make_metrics.py wrote.
inline const at::Tensor& metric(const char* name) {
  static const io::TensorMap tensors =
      io::load_safetensors(ECHOPATH_SOURCE_DIR "/tests/fixtures/evaluation/metrics.safetensors");
  return tensors.at(name);
}

}  // namespace echopath::evaluation::testing
