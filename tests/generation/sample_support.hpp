#pragma once

#include "echopath/core/errors.hpp"
#include "echopath/generation/sample.hpp"
#include "toy_model.hpp"

namespace echopath::generation::testing {

/// One class of the toy model, two blocks of two steps.
inline SampleOptions toy_options(const fs::path& out) {
  SampleOptions options;
  options.model = shared_toy_model().string();
  options.out = out.string();
  options.classes = {"ASD"};
  options.seed = 10;
  options.guidance.scale = 1.0;
  options.blocks = 2;
  options.solver.num_inference_steps = 2;
  options.device = "cpu";
  return options;
}

/// The error that such a run ends with, or nothing.
inline std::string message_of(const SampleOptions& options) {
  try {
    run_sampling(options);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

inline std::size_t files_in(const fs::path& directory) {
  if (!fs::exists(directory)) return 0;
  return static_cast<std::size_t>(
      std::distance(fs::directory_iterator(directory), fs::directory_iterator()));
}

}  // namespace echopath::generation::testing
