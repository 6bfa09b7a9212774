#include <iostream>

#include "cli/eval.hpp"
#include "cli/resources.hpp"
#include "echopath/evaluation/agreement_report.hpp"

namespace echopath::cli {

void add_eval_agreement(Program& program, CLI::App& eval) {
  auto options = std::make_shared<evaluation::AgreementOptions>();
  CLI::App& verb = program.add_subverb(
      eval, "agreement",
      "whether classifiers see in samples the class that was asked for, beside real videos",
      [options](const CommonOptions& common) {
        options->model = model_or_default(options->model).string();
        options->device = common.device;
        const evaluation::AgreementReport report = evaluation::report_agreement(*options);
        if (common.json) {
          print_json(report.to_json());
        } else {
          std::cout << report.to_text();
        }
      },
      "echopath eval agreement --real data --real-split TEST --synthetic samples");
  add_compared_sets(verb, options->real, options->synthetic);
  verb.add_option("--model", options->model,
                  "model directory with the classifiers (default: models/phantom)")
      ->type_name("DIR");
  verb.add_option("--classifier", options->classifiers,
                  "a classifier's folder there, repeatable (default: all)")
      ->allow_extra_args(false)
      ->type_name("NAME");
  add_selection(verb, options->split, options->classes, options->limit);
}

}  // namespace echopath::cli
