#include <cmath>
#include <cstdio>
#include <iostream>

#include "cli/eval.hpp"
#include "cli/resources.hpp"
#include "echopath/evaluation/privacy_audit.hpp"

namespace echopath::cli {
namespace {

std::string number(const Interval& value) {
  char text[96];
  std::snprintf(text, sizeof(text), "%.3f (%.3f to %.3f)", value.estimate, value.low, value.high);
  return text;
}

std::string percent(const Interval& share) {
  char text[96];
  if (std::isnan(share.low)) {
    std::snprintf(text, sizeof(text), "%.1f %% (no interval)", 100 * share.estimate);
  } else {
    std::snprintf(text, sizeof(text), "%.1f %% (%.1f to %.1f)", 100 * share.estimate,
                  100 * share.low, 100 * share.high);
  }
  return text;
}

void print_membership(const std::string& name, const evaluation::MembershipInference& found) {
  std::cout << "  membership by " << name << ": AUC " << number(found.auc) << ", found at "
            << 100 * found.false_positive_rate << " % false alarms "
            << percent(found.true_positive_rate) << " (by guessing "
            << 100 * evaluation::chance_true_positive_rate(found.non_members,
                                                           found.false_positive_rate)
            << " %), " << found.members << " members, " << found.non_members << " others\n";
}

void print_level(const std::string& name, const evaluation::LevelAudit& level) {
  std::cout << name << " (threshold " << level.threshold << ", above which at most "
            << 100 * level.expected_rate << " % of unseen real videos are expected)\n"
            << "  memorised: " << percent(level.flagged_samples) << " of the samples, "
            << percent(level.flagged_patients) << " of the training patients (by chance at most "
            << 100 * level.flagged_patients_by_chance << " %)\n";
  if (level.check_rate) {
    std::cout << "  held-out real videos flagged: " << percent(*level.check_rate) << '\n';
  }
  std::cout << "  nearer to training than to held-out patients: "
            << percent(level.nearer_to_training) << ", median ratio of distances "
            << level.median_ratio << '\n'
            << "  authentic: " << percent(level.authenticity) << " (held-out real "
            << 100 * level.held_out_authenticity << " %)\n"
            << "  training patients covered: " << percent(level.coverage) << " (by held-out real "
            << 100 * level.held_out_coverage << " %)\n";
  print_membership("similarity to the samples", level.membership);
}

void audit(evaluation::PrivacyAuditOptions options, const CommonOptions& common) {
  const config::VisitFunction visit = config::visit_of(options);
  config::apply(config::dump(visit), visit, "eval privacy");
  options.model = model_or_default(options.model).string();
  options.device = common.device;
  options.statistics.seed = common.seed.value_or(0);
  const evaluation::PrivacyAudit found = evaluation::run_privacy_audit(options);
  if (common.json) {
    config::Json json = found.to_json();
    json["out"] = options.out;
    print_json(json);
    return;
  }
  std::cout << found.synthetic << " synthetic videos, " << found.training_patients
            << " training patients, " << found.held_out_patients << " held-out ones\n";
  print_level("frames", found.frames);
  if (found.motion) print_level("motion", *found.motion);
  for (const auto& [network, inference] : found.denoising) {
    print_membership("denoising loss of the " + network, inference);
  }
  std::cout << "privacy.json, privacy_audit.csv, privacy_histogram.png in " << options.out << '\n';
}

}  // namespace

void add_eval_privacy(Program& program, CLI::App& eval) {
  auto options = std::make_shared<evaluation::PrivacyAuditOptions>();
  CLI::App& verb = program.add_subverb(
      eval, "privacy", "Looks for training patients in synthetic videos",
      [options](const CommonOptions& common) { audit(*options, common); },
      "echopath eval privacy --real data --synthetic samples --model models/phantom --out privacy");
  verb.add_option("--real", options->real,
                  "dataset or latents directory; its TRAIN videos are those trained on")
      ->required()
      ->type_name("DIR");
  verb.add_option("--synthetic", options->synthetic, "dataset, sample or latents directory")
      ->required()
      ->type_name("DIR");
  verb.add_option("--model", options->model, "model directory (default: models/phantom)")
      ->type_name("DIR");
  verb.add_option("--out", options->out, "folder for the results")
      ->capture_default_str()
      ->type_name("DIR");
  verb.add_option("--fpr", options->statistics.false_positive_rate,
                  "false positives of the memorisation threshold (default 0.05)")
      ->type_name("RATE");
  verb.add_option("--calibration", options->calibration_split,
                  "split that the threshold is taken from (default VAL)")
      ->type_name("SPLIT");
  verb.add_option("--frames", options->frames, "frames of each video (default 8)")->type_name("N");
  verb.add_option("--resamples", options->statistics.resamples, "of the bootstrap (default 1000)")
      ->type_name("N");
  verb.add_option("--denoising-items", options->denoising_items,
                  "most videos of each side for the denoising loss (default 128)")
      ->type_name("N");
  verb.add_flag_callback(
      "--no-denoising", [options] { options->denoising = false; },
      "no membership inference by denoising loss");
}

}  // namespace echopath::cli
