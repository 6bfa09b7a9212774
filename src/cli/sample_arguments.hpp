#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/program.hpp"
#include "echopath/generation/sample.hpp"

namespace echopath::cli {

/// What the command line of `sample` gives; an absent value leaves that of the preset or the
/// config.
struct SampleArguments {
  std::string preset;
  std::string config;
  std::vector<std::string> overrides;
  std::vector<std::string> classes;
  std::optional<double> guidance_scale;
  std::optional<double> guidance_rescale;
  std::vector<double> guidance_interval;  ///< empty, or lowest and highest noise level
  std::optional<std::string> sampler;
  std::optional<std::int64_t> blocks;
  std::optional<std::int64_t> count;
  std::optional<std::int64_t> ejection_fraction;
  std::optional<double> heart_rate;
  std::optional<std::int64_t> steps;
  std::optional<std::string> solver;
  std::optional<std::string> anchor;
  std::optional<std::int64_t> context_frames;
  std::optional<std::string> heart;
  std::optional<std::int64_t> heart_frame;
  std::optional<std::string> codec;
  std::vector<std::string> also;
  std::optional<std::int64_t> max_redraws;
  std::optional<std::int64_t> batch;
  std::optional<std::string> precision;
  std::string model;
  std::string out = "samples";
  std::string trace;
  int nproc = 1;
  bool resume = false;
  bool allow_unfiltered = false;
  bool deterministic = false;
};

/// Declares all of them.
void add_sample_arguments(CLI::App& verb, SampleArguments& arguments);

/// The run that they ask for: preset, then config, then --set, then options. Throws ConfigError,
/// also where the preset is unknown, the known ones listed, and UsageError on a seed out of range.
generation::SampleOptions resolve(const SampleArguments& given, const CommonOptions& common);

}  // namespace echopath::cli
