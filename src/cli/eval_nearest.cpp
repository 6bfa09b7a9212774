#include <iostream>

#include "cli/eval.hpp"
#include "cli/resources.hpp"
#include "echopath/evaluation/nearest_report.hpp"

namespace echopath::cli {
namespace {

void print(const evaluation::NearestReport& report) {
  const auto line = [](const char* name, std::int64_t videos, const Interval& interval) {
    std::cout << name << " (" << videos << " videos): median distance " << interval.estimate << " ["
              << interval.low << ", " << interval.high << "]\n";
  };
  std::cout << "nearest of " << report.training_frames << " training frames, in VAE latents\n";
  line("held-out frames", report.held_out_videos, report.held_out);
  line("heart frames", report.heart_videos, report.heart_frames);
  std::cout << "ratio " << report.ratio.estimate << " [" << report.ratio.low << ", "
            << report.ratio.high
            << "]; heart frames nearer than 95 % of held-out frames: " << 100.0 * report.copies
            << " %\n";
}

}  // namespace

void add_eval_nearest(Program& program, CLI::App& eval) {
  auto options = std::make_shared<evaluation::NearestOptions>();
  CLI::App& verb = program.add_subverb(
      eval, "nearest",
      "how near the samples' heart frames come to training frames, beside held-out ones",
      [options](const CommonOptions& common) {
        options->model = model_or_default(options->model).string();
        options->device = common.device;
        const evaluation::NearestReport report = evaluation::report_nearest(*options);
        if (common.json) {
          print_json(report.to_json());
        } else {
          print(report);
        }
      },
      "echopath eval nearest --real data --synthetic samples");
  verb.add_option("--real", options->real, "dataset directory with the held-out split")
      ->required()
      ->type_name("DIR");
  verb.add_option("--training", options->training,
                  "dataset directory whose TRAIN split was trained on (default: that of --real)")
      ->type_name("DIR");
  verb.add_option("--synthetic", options->synthetic, "sample directory, or a folder of videos")
      ->required()
      ->type_name("DIR");
  verb.add_option("--model", options->model, "model directory with vae/ (default: models/phantom)")
      ->type_name("DIR");
  verb.add_option("--real-split", options->split, "the held-out split")
      ->capture_default_str()
      ->type_name("NAME");
  verb.add_option("--class", options->classes, "only this class, repeatable")
      ->allow_extra_args(false)
      ->type_name("NAME");
  verb.add_option("--videos", options->limit,
                  "held-out and synthetic videos of each class at most (0: all)")
      ->capture_default_str()
      ->type_name("N");
  verb.add_option("--every", options->every, "of real videos every n-th frame")
      ->capture_default_str()
      ->type_name("N");
}

}  // namespace echopath::cli
