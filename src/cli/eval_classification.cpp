#include <algorithm>
#include <cmath>
#include <cstdio>
#include <iostream>

#include "cli/eval.hpp"
#include "echopath/evaluation/classification.hpp"

namespace echopath::cli {
namespace {

struct Options {
  evaluation::ClassificationEvaluation evaluation;
  std::vector<std::string> arms;
};

/// Three places, or "-" for what is not a number.
std::string figure(double value) {
  if (!std::isfinite(value)) return "-";
  char text[32];
  std::snprintf(text, sizeof(text), "%.3f", value);
  return text;
}

std::string bounds(const Interval& interval) {
  if (!std::isfinite(interval.low)) return " (no interval)";
  return " (" + figure(interval.low) + " to " + figure(interval.high) + ")";
}

/// What a score is called, in a column of its own; an AUC of predicted labels says so.
std::string heading_of(const std::string& score, const std::string& auc_from) {
  std::string heading = score == "auc" && auc_from == "labels" ? "auc (hard labels)" : score;
  heading.resize(std::max<std::size_t>(heading.size(), 18), ' ');
  return heading;
}

void print_arm(const evaluation::ArmResult& arm, const std::string& auc_from) {
  std::cout << arm.name << ": " << arm.by_source.size() << " classifier"
            << (arm.by_source.size() == 1 ? "" : "s") << ", " << arm.videos << " videos of "
            << arm.patients << " patients";
  if (arm.look > 1) std::cout << ", look " << arm.look << " at this test split";
  std::cout << '\n';
  for (std::size_t k = 0; k < arm.mean.size(); ++k) {
    std::cout << "  " << heading_of(evaluation::score_names()[k], auc_from) << ' '
              << figure(arm.mean[k]) << bounds(arm.intervals[k]);
    if (evaluation::score_names()[k] == "calibration_error") {
      std::cout << ", expected if calibrated " << figure(arm.calibration_error_if_calibrated);
    }
    if (arm.by_source.size() > 1) {
      std::cout << ", sd over classifiers " << figure(arm.deviation[k]);
    }
    std::cout << '\n';
  }
}

void print_comparison(const evaluation::ArmComparison& pair) {
  std::cout << pair.arm << " against " << pair.against << ": right where the other is wrong "
            << pair.mcnemar.only_a << " to " << pair.mcnemar.only_b << " times (McNemar p "
            << figure(pair.mcnemar.p) << "), AUC of scores " << figure(pair.delong.auc_a) << " and "
            << figure(pair.delong.auc_b) << " (DeLong p " << figure(pair.delong.p) << ")\n";
}

void evaluate(Options options, const CommonOptions& common) {
  evaluation::ClassificationEvaluation& asked = options.evaluation;
  for (const std::string& text : options.arms) asked.arms.push_back(evaluation::parse_arm(text));
  asked.device = common.device;
  asked.bootstrap.seed = common.seed.value_or(0);
  const evaluation::ClassificationResult done = evaluation::evaluate_classification(asked);
  if (common.json) {
    config::Json json = done.to_json();
    json["out"] = asked.out;
    print_json(json);
    return;
  }
  for (const auto& arm : done.arms) print_arm(arm, asked.auc_from);
  for (const auto& pair : done.comparisons) print_comparison(pair);
  const evaluation::ArmResult& first = done.arms.front();
  if (!done.comparisons.empty() && first.patients < first.videos) {
    std::cout << "McNemar and DeLong take videos for independent, but " << first.patients
              << " patients have " << first.videos
              << " videos: go by the intervals of the differences in comparisons.csv\n";
  }
  std::cout << "classification.csv, comparisons.csv, predictions/ in " << asked.out << '\n';
}

}  // namespace

void add_eval_classification(Program& program, CLI::App& eval) {
  auto options = std::make_shared<Options>();
  evaluation::ClassificationEvaluation& asked = options->evaluation;
  CLI::App& verb = program.add_subverb(
      eval, "classification",
      "Judges classifiers on real test videos, with intervals and paired tests",
      [options](const CommonOptions& common) { evaluate(*options, common); },
      "echopath eval classification --real data --arm real=runs/a/model:classifier "
      "--arm augmented=runs/b/model:classifier\n"
      "  echopath eval classification --real data --arm real=r.csv "
      "--arm ours=o.csv --arm theirs=t.csv --pair ours:theirs\n"
      "  echopath eval classification --real data --split VAL --arm other=predictions.csv");
  verb.add_option("--real", asked.real, "dataset directory with the test videos")
      ->required()
      ->type_name("DIR");
  verb.add_option("--arm", options->arms,
                  "a way of training and its classifiers: NAME=MODEL_DIR:COMPONENT,..., one for "
                  "each seed or fold, or CSVs of predictions; repeatable; the others are compared "
                  "with the first")
      ->required()
      ->type_name("ARM")
      ->allow_extra_args(false);
  verb.add_option("--pair", asked.pairs,
                  "two arms to compare besides, the first against the second; repeatable")
      ->type_name("ARM:ARM")
      ->allow_extra_args(false);
  verb.add_option("--split", asked.split, "split to judge on")
      ->capture_default_str()
      ->type_name("SPLIT");
  verb.add_option("--out", asked.out, "folder for the results")
      ->capture_default_str()
      ->type_name("DIR");
  verb.add_option("--auc-from", asked.auc_from,
                  "scores, or labels: the AUC of predicted labels, as EchoPath has it")
      ->capture_default_str()
      ->type_name("NAME");
  verb.add_flag("--again", asked.again, "look a second time at an arm on TEST; the table shows it");
  verb.add_option("--looks", asked.looks,
                  "register of looks at TEST (default: test_looks.jsonl in --real)")
      ->type_name("FILE");
  verb.add_option("--resamples", asked.bootstrap.resamples, "of the bootstrap over patients")
      ->check(CLI::Range(1, 1000000).description(""))
      ->capture_default_str()
      ->type_name("N");
}

}  // namespace echopath::cli
