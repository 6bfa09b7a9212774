#include <iostream>

#include "cli/eval.hpp"
#include "cli/resources.hpp"
#include "echopath/core/errors.hpp"
#include "echopath/evaluation/compare_report.hpp"

namespace echopath::cli {
namespace {

/// "NAME=DIR".
std::pair<std::string, std::string> parse_arm(const std::string& text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0 || equals + 1 == text.size()) {
    throw UsageError("--arm " + text + ": an arm is NAME=DIR");
  }
  return {text.substr(0, equals), text.substr(equals + 1)};
}

}  // namespace

void add_eval_compare(Program& program, CLI::App& eval) {
  auto options = std::make_shared<evaluation::CompareOptions>();
  auto arms = std::make_shared<std::vector<std::string>>();
  CLI::App& verb = program.add_subverb(
      eval, "compare",
      "Fréchet distance of several sample directories to one real set, paired by video",
      [options, arms](const CommonOptions& common) {
        options->arms.clear();
        for (const std::string& arm : *arms) options->arms.push_back(parse_arm(arm));
        options->model = model_or_default(options->model).string();
        options->device = common.device;
        const evaluation::CompareReport report = evaluation::report_compare(*options);
        if (common.json) {
          print_json(report.to_json());
        } else {
          std::cout << report.to_text();
        }
      },
      "echopath eval compare --real data --real-split TEST --arm w1=samples/w1 --arm "
      "w5=samples/w5");
  verb.add_option("--real", options->real, "dataset directory, or a folder of videos")
      ->required()
      ->type_name("DIR");
  verb.add_option("--arm", *arms,
                  "name and sample directory, repeatable; the others are compared with the first")
      ->required()
      ->allow_extra_args(false)
      ->type_name("NAME=DIR");
  verb.add_option("--model", options->model,
                  "model directory of the in-domain detector (default: models/phantom)")
      ->type_name("DIR");
  verb.add_option("--detector", options->detector,
                  "in-domain, a classifier of the model directory, or a detector's file")
      ->capture_default_str()
      ->type_name("NAME");
  verb.add_option("--real-split", options->split,
                  "real videos of this split only (TRAIN, VAL, TEST)")
      ->type_name("NAME");
  verb.add_option("--frames", options->frames, "first frames of each sampled video (0: all)")
      ->capture_default_str()
      ->type_name("N");
  verb.add_option("--folds", options->folds, "of the jackknife that gives the intervals")
      ->capture_default_str()
      ->type_name("N");
}

}  // namespace echopath::cli
