#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "echopath/evaluation/distribution.hpp"

namespace echopath::cli {

/// What the command line of `eval fid|fvd|is|generation` gives.
struct DistributionCommand {
  evaluation::DistributionOptions measure;
  std::string word;
  std::string model;
  std::vector<std::string> detectors;  ///< of fid, is and fvd
  std::vector<std::string> metrics;    ///< of generation; empty for all
  std::vector<std::string> overrides;
  std::string out;
  bool no_cache = false;
  int nproc = 1;
};

/// The options that the word of `options` has.
void add_distribution_options(CLI::App& verb, DistributionCommand& options);

}  // namespace echopath::cli
