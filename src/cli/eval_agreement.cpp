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
      });
  verb.add_option("--real", options->real, "dataset directory, or a folder of videos")
      ->required()
      ->type_name("DIR");
  verb.add_option("--synthetic", options->synthetic,
                  "sample directory, dataset directory or folder of videos; left out: real alone")
      ->type_name("DIR");
  verb.add_option("--model", options->model,
                  "model directory with the classifiers (default: models/phantom)")
      ->type_name("DIR");
  verb.add_option("--classifier", options->classifiers,
                  "a classifier's folder there, repeatable (default: all)")
      ->allow_extra_args(false)
      ->type_name("NAME");
  verb.add_option("--real-split", options->split,
                  "real videos of this split only (TRAIN, VAL, TEST)")
      ->type_name("NAME");
  verb.add_option("--class", options->classes, "only this class, repeatable")
      ->allow_extra_args(false)
      ->type_name("NAME");
  verb.add_option("--videos", options->limit, "videos of each class and set at most (0: all)")
      ->capture_default_str()
      ->type_name("N");
}

}  // namespace echopath::cli
