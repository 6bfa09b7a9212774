#include <iostream>

#include "cli/eval.hpp"
#include "cli/resources.hpp"
#include "echopath/evaluation/drift_report.hpp"

namespace echopath::cli {

void add_eval_drift(Program& program, CLI::App& eval) {
  auto options = std::make_shared<evaluation::DriftOptions>();
  CLI::App& verb = program.add_subverb(
      eval, "drift",
      "Fréchet distance to real frames and brightness of "
      "samples, block by block",
      [options](const CommonOptions& common) {
        options->model = model_or_default(options->model).string();
        options->device = common.device;
        const evaluation::DriftReport report = evaluation::report_drift(*options);
        if (common.json) {
          print_json(report.to_json());
        } else {
          std::cout << report.to_text();
        }
      },
      "echopath eval drift --real data --real-split TEST --synthetic samples");
  verb.add_option("--real", options->real, "dataset directory, or a folder of videos")
      ->required()
      ->type_name("DIR");
  verb.add_option("--synthetic", options->synthetic, "sample directory: videos of several blocks")
      ->required()
      ->type_name("DIR");
  verb.add_option("--model", options->model,
                  "model directory of the in-domain detector (default: models/phantom)")
      ->type_name("DIR");
  verb.add_option("--detector", options->detector,
                  "in-domain, a classifier of the model directory, or a "
                  "detector's file")
      ->capture_default_str()
      ->type_name("NAME");
  add_selection(verb, options->split, options->classes, options->limit);
  verb.add_option("--block-length", options->block_length,
                  "frames of a block where there is no manifest that tells")
      ->capture_default_str()
      ->type_name("N");
}

}  // namespace echopath::cli
