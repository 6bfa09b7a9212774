#pragma once

#include "echopath/io/safetensors.hpp"

namespace echopath::evaluation::testing {

/// The values that tests/fixtures/evaluation/make.py wrote.
inline const io::TensorMap& reference() {
  static const io::TensorMap tensors =
      io::load_safetensors(ECHOPATH_SOURCE_DIR "/tests/fixtures/evaluation/reference.safetensors");
  return tensors;
}

}  // namespace echopath::evaluation::testing
