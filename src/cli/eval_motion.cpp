#include <iostream>

#include "cli/eval.hpp"
#include "echopath/evaluation/motion_report.hpp"

namespace echopath::cli {
namespace {

void print(const char* set, const evaluation::SeamSummary& seams) {
  std::cout << "seams, " << set << ": " << seams.videos << " videos, " << seams.seams
            << " seams; change there / inside blocks " << seams.change_ratio.estimate << " ["
            << seams.change_ratio.low << ", " << seams.change_ratio.high
            << "], of a seam's largest step " << seams.largest_step.estimate << " ["
            << seams.largest_step.low << ", " << seams.largest_step.high
            << "]; motion turns back at " << seams.reversed.estimate << " [" << seams.reversed.low
            << ", " << seams.reversed.high << "] of the " << seams.moving_seams
            << " where the heart moves, inside blocks at " << seams.reversed_inside << " of "
            << seams.moving_inside << '\n';
}

void print(const evaluation::MotionReport& report) {
  std::cout << evaluation::table_of(report.figures);
  std::cout << "heart rates of the real set (" << report.range_source << ")  " << report.lowest_rate
            << " to " << report.highest_rate << " /min\n";
  if (report.known_rates > 0) {
    std::cout << "measured against true heart rate, " << report.known_rates
              << " real videos: median difference " << 100.0 * report.rate_error << " %\n";
  }
  print("real", report.real_seams);
  if (report.synthetic_seams.videos > 0) print("synthetic", report.synthetic_seams);
  if (!report.trace) return;
  const auto& trace = *report.trace;
  std::cout << "trace, " << trace.videos << " videos, " << trace.seams
            << " seams, c = " << trace.context_frames << ", " << trace.seam_fade << " of them fade"
            << ": median distance of a block's first frame from its reference " << trace.first_frame
            << ", of its last given frame " << trace.last_given << ", of one frame step "
            << trace.step << "; first / step " << trace.ratio.estimate << " [" << trace.ratio.low
            << ", " << trace.ratio.high << "]\n";
}

}  // namespace

void add_eval_motion(Program& program, CLI::App& eval) {
  auto options = std::make_shared<evaluation::MotionOptions>();
  CLI::App& verb = program.add_subverb(
      eval, "motion", "heartbeat of real and synthetic videos, by class, and the seams of blocks",
      [options](const CommonOptions& common) {
        const evaluation::MotionReport report = evaluation::report_motion(*options);
        if (common.json) {
          print_json(report.to_json());
        } else {
          print(report);
        }
      },
      "echopath eval motion --real data --real-split TEST --synthetic samples");
  add_compared_sets(verb, options->real, options->synthetic);
  verb.add_option("--trace", options->trace,
                  "what `echopath sample --trace` wrote beside the sample directory")
      ->type_name("FILE");
  add_selection(verb, options->split, options->classes, options->limit);
  verb.add_option("--block-length", options->block_length,
                  "frames of a block where there is no manifest that tells")
      ->capture_default_str()
      ->type_name("N");
}

}  // namespace echopath::cli
