#include <iostream>

#include "cli/distribution_options.hpp"
#include "cli/eval.hpp"
#include "cli/launch.hpp"
#include "cli/resources.hpp"
#include "echopath/core/files.hpp"
#include "echopath/core/logging.hpp"
#include "echopath/distributed/environment.hpp"
#include "echopath/evaluation/distribution.hpp"

namespace echopath::cli {
namespace {

bool of_features(const DistributionCommand& given) {
  return !given.measure.real_features.empty() || !given.measure.synthetic_features.empty();
}

/// Options that resolve() gives a value to in any case: here it can be told whether they were
/// given.
void refuse_without_effect(const DistributionCommand& given) {
  if (!of_features(given)) return;
  if (!given.detectors.empty()) evaluation::refuse_with_features("--detector");
  if (!given.measure.cache.empty()) evaluation::refuse_with_features("--cache");
  if (given.no_cache) evaluation::refuse_with_features("--no-cache");
  if (given.nproc != 1) evaluation::refuse_with_features("--nproc");
}

evaluation::DistributionOptions resolve(const DistributionCommand& given,
                                        const CommonOptions& common) {
  evaluation::DistributionOptions options = given.measure;
  options.protocol = evaluation::protocol_of(options.compat);
  config::apply_overrides(given.overrides, config::visit_of(options.protocol));
  if (!given.metrics.empty()) options.metrics = given.metrics;
  if (!given.detectors.empty()) {
    (given.word == "fvd" ? options.clip_detectors : options.frame_detectors) = given.detectors;
  }
  options.model =
      of_features(given) ? std::filesystem::path(given.model) : model_or_default(given.model);
  if (given.no_cache) {
    options.cache.clear();
  } else if (options.cache.empty()) {
    options.cache = evaluation::default_feature_cache();
  }
  options.device = common.device;
  if (common.seed) options.intervals.seed = *common.seed;
  return options;
}

void measure(const DistributionCommand& given, const CommonOptions& common) {
  refuse_without_effect(given);
  if (launched_as_processes("eval " + given.word, given.nproc)) return;
  const bool root = distributed::environment_from_variables().is_root();
  if (!root && common.log_level != "debug") initialise_logging("error", true);
  const evaluation::DistributionOptions options = resolve(given, common);
  const auto report = evaluation::measure_distribution(options);
  if (!report) return;
  const config::Json json = report->to_json(options);
  if (!given.out.empty()) write_file(given.out, json.dump(2) + "\n");
  if (common.json) {
    print_json(json);
  } else {
    std::cout << report->to_text(options);
  }
}

void add_word(Program& program, CLI::App& eval, const std::string& word, const std::string& summary,
              const std::vector<std::string>& metrics) {
  auto options = std::make_shared<DistributionCommand>();
  options->word = word;
  options->measure.metrics = metrics;
  const std::string real = word == "is" ? "" : " --real data --real-split TEST";
  CLI::App& verb = program.add_subverb(
      eval, word, summary, [options](const CommonOptions& common) { measure(*options, common); },
      "echopath eval " + word + real + " --synthetic samples");
  add_distribution_options(verb, *options);
}

}  // namespace

void add_eval_fid(Program& program, CLI::App& eval) {
  add_word(program, eval, "fid", "Fréchet and kernel distance of frames", {"fid", "kid"});
}

void add_eval_fvd(Program& program, CLI::App& eval) {
  add_word(program, eval, "fvd", "Fréchet and kernel distance of clips", {"fvd", "kvd"});
}

void add_eval_is(Program& program, CLI::App& eval) {
  add_word(program, eval, "is", "inception score of frames", {"is"});
}

void add_eval_generation(Program& program, CLI::App& eval) {
  add_word(program, eval, "generation",
           "all of these, and precision, recall, density and coverage of frames and of clips",
           {"fid", "kid", "prdc", "is", "fvd", "kvd", "clip-prdc"});
}

}  // namespace echopath::cli
