#include "echopath/evaluation/classification.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <optional>
#include <set>

#include "echopath/core/device.hpp"
#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "echopath/core/interrupt.hpp"
#include "echopath/core/logging.hpp"
#include "echopath/core/text.hpp"
#include "echopath/evaluation/predictions.hpp"
#include "echopath/evaluation/test_looks.hpp"
#include "echopath/models/model_directory.hpp"
#include "evaluation/classification_results.hpp"

namespace echopath::evaluation {
namespace {

constexpr double kNotANumber = std::numeric_limits<double>::quiet_NaN();
/// The split whose looks are counted.
constexpr const char* kTestSplit = "TEST";
constexpr const char* kStopped =
    "stopped by a signal; no results were written, and no look at TEST was counted";

std::vector<std::size_t> every_row(const Predictions& predictions) {
  std::vector<std::size_t> rows(predictions.size());
  std::iota(rows.begin(), rows.end(), std::size_t{0});
  return rows;
}

/// A source with what tells it from others.
struct Source {
  std::string text;
  std::string component;  ///< empty for a CSV
  fs::path path;
  std::string hash;
};

Source find_source(const std::string& text) {
  Source source{text, "", text, ""};
  if (fs::path(text).extension() == ".csv") {
    source.hash = sha256_file(text);
    return source;
  }
  const std::size_t colon = text.rfind(':');
  if (colon == std::string::npos) {
    throw UsageError("'" + text +
                     "' names no classifier; write MODEL_DIR:COMPONENT (a folder in "
                     "the model directory, such as classifier_asd) or a CSV of predictions");
  }
  source.path = text.substr(0, colon);
  source.component = text.substr(colon + 1);
  const models::ModelDirectory model = models::ModelDirectory::open(source.path);
  const std::vector<std::string> known = model.classifiers();
  if (std::find(known.begin(), known.end(), source.component) == known.end()) {
    throw DataError("'" + source.path.string() + "' has no classifier '" + source.component +
                    "'; it has " + (known.empty() ? "none" : join(known, ", ")));
  }
  source.hash = model.component_hash(source.component);
  return source;
}

Predictions predictions_of(const Source& source, const VideoSet& videos, at::Device device) {
  if (source.component.empty()) {
    return predictions_of_set(read_predictions(source.path), videos, source.text);
  }
  const models::Classifier classifier =
      models::ModelDirectory::open(source.path).load_classifier(source.component, device);
  if (classifier.config().is_segmentation()) {
    throw DataError("'" + source.text + "' is a segmentation network, not a classifier");
  }
  log_info("judging " + source.text);
  return predict_videos(classifier, videos, device);
}

/// Patients of the class that has the fewest.
std::int64_t patients_of_rarest_class(const Predictions& predictions) {
  std::vector<std::set<std::string>> patients(predictions.classes.size());
  for (std::size_t row = 0; row < predictions.size(); ++row) {
    patients[predictions.labels[row]].insert(predictions.patients[row]);
  }
  std::size_t least = predictions.size();
  for (const auto& one : patients) least = std::min(least, one.size());
  return static_cast<std::int64_t>(least);
}

/// The range of score k, or of the difference of two, and the patients that decide it: all of them,
/// or for a mean over classes those of the rarest class.
FigureRange range_of(std::size_t k, const Predictions& predictions, bool difference) {
  const std::string& name = score_names()[k];
  const bool of_all = name == "accuracy" || name == "brier";
  FigureRange range;
  range.units = of_all ? 0 : patients_of_rarest_class(predictions);
  if (name == "brier" && predictions.classes.size() > 2) range.highest = 2.0;
  if (difference) range.lowest = -range.highest;
  return range;
}

/// Whether score k has an interval. A bootstrap of the calibration error lies above the truth: the
/// fewer different rows a bin has, the larger it is.
bool has_bounds(std::size_t k) {
  return score_names()[k] != "calibration_error";
}

/// The mean over an arm's classifiers, with its spread and its interval over patients.
ArmResult judge(const std::string& name, const std::vector<Predictions>& several,
                const ClassificationEvaluation& options) {
  const AucFrom auc_from = parse_auc_from(options.auc_from);
  const Predictions& first = several.front();
  ArmResult result;
  result.name = name;
  result.videos = static_cast<std::int64_t>(first.size());
  result.patients = static_cast<std::int64_t>(
      std::set<std::string>(first.patients.begin(), first.patients.end()).size());
  const auto mean_of = [&](const std::vector<std::size_t>& rows) {
    Scores mean(score_names().size(), 0.0);
    for (const Predictions& one : several) {
      const Scores scores = classification_scores(one, rows, auc_from);
      for (std::size_t k = 0; k < mean.size(); ++k) {
        mean[k] += scores[k] / static_cast<double>(several.size());
      }
    }
    return mean;
  };
  const std::vector<std::size_t> all = every_row(first);
  for (const Predictions& one : several) {
    result.by_source.push_back(classification_scores(one, all, auc_from));
    result.calibration_error_if_calibrated +=
        calibration_error_if_calibrated(one) / static_cast<double>(several.size());
  }
  result.mean = mean_of(all);
  for (std::size_t k = 0; k < result.mean.size(); ++k) {
    double squares = 0.0;
    for (const Scores& scores : result.by_source)
      squares += std::pow(scores[k] - result.mean[k], 2);
    const auto divisor = static_cast<double>(several.size()) - 1.0;
    result.deviation.push_back(divisor > 0 ? std::sqrt(squares / divisor) : 0.0);
    if (!has_bounds(k)) {
      result.intervals.push_back({result.mean[k], kNotANumber, kNotANumber});
      continue;
    }
    result.intervals.push_back(bounded_bootstrap(
        first.patients, [&](const auto& rows) { return mean_of(rows)[k]; }, options.bootstrap,
        range_of(k, first, false)));
  }
  return result;
}

ArmComparison compare(const std::string& name, const Predictions& arm, const std::string& other,
                      const Predictions& against, const ClassificationEvaluation& options) {
  require_same_videos(arm, against, "the predictions of '" + name + "' and '" + other + "'");
  ArmComparison result;
  result.arm = name;
  result.against = other;
  result.mcnemar = mcnemar_test(arm, against);
  result.delong = {kNotANumber, kNotANumber, kNotANumber, kNotANumber};
  if (arm.classes.size() == 2) {
    std::vector<double> a, b;
    std::vector<bool> positive;
    for (std::size_t row = 0; row < arm.size(); ++row) {
      a.push_back(arm.probabilities[row][1]);
      b.push_back(against.probabilities[row][1]);
      positive.push_back(arm.labels[row] == 1);
    }
    result.delong = delong_test(a, b, positive);
  }
  const AucFrom auc_from = parse_auc_from(options.auc_from);
  for (std::size_t k = 0; k < score_names().size(); ++k) {
    const auto difference = [&](const std::vector<std::size_t>& rows) {
      return classification_scores(arm, rows, auc_from)[k] -
             classification_scores(against, rows, auc_from)[k];
    };
    if (!has_bounds(k)) {
      result.differences.push_back({difference(every_row(arm)), kNotANumber, kNotANumber});
      continue;
    }
    result.differences.push_back(
        bounded_bootstrap(arm.patients, difference, options.bootstrap, range_of(k, arm, true)));
  }
  return result;
}

/// Opens the test videos; none are read where every source is a CSV.
VideoSet open_videos(const ClassificationEvaluation& options) {
  VideoSetOptions asked;
  asked.split = options.split;
  const VideoSet videos = VideoSet::open(options.real, asked);
  if (videos.is_sampled()) {
    log_warning("--real '" + options.real +
                "' holds sampled videos: classifiers are to be judged on real ones");
  }
  return videos;
}

/// Whether what is judged has a test video in it, whatever split was asked for.
bool holds_test_videos(const VideoSet& videos) {
  return std::any_of(videos.videos().begin(), videos.videos().end(),
                     [](const VideoItem& video) { return video.split == kTestSplit; });
}

/// Refuses second looks that were not asked for, and counts each arm's look.
std::vector<std::int64_t> count_looks(const ClassificationEvaluation& options,
                                      const std::vector<std::vector<Source>>& sources,
                                      const TestLooks& register_of_looks) {
  std::vector<std::int64_t> looks;
  for (std::size_t i = 0; i < options.arms.size(); ++i) {
    std::vector<std::string> hashes;
    for (const Source& source : sources[i]) hashes.push_back(source.hash);
    const std::int64_t before =
        register_of_looks.looks_at(kTestSplit, options.arms[i].name, hashes);
    if (before > 0 && !options.again) {
      throw UsageError("arm '" + options.arms[i].name + "' has been judged on " + kTestSplit +
                       " of '" + options.real + "' " + std::to_string(before) +
                       (before == 1 ? " time" : " times") + " before (" +
                       register_of_looks.file().string() +
                       "); judge it on VAL with --split VAL, or say --again, and the table will "
                       "show it");
    }
    looks.push_back(before + 1);
  }
  return looks;
}

void check_options(const ClassificationEvaluation& options) {
  parse_auc_from(options.auc_from);
  if (options.arms.empty()) {
    throw UsageError("name what to judge: --arm NAME=MODEL_DIR:COMPONENT");
  }
  std::set<std::string> names;
  for (const ClassificationArm& arm : options.arms) {
    if (!names.insert(arm.name).second) throw UsageError("two arms are named '" + arm.name + "'");
  }
  require_own_folder(options.out);
}

/// Places of two arms in ClassificationEvaluation::arms.
struct ArmPair {
  std::size_t arm = 0;
  std::size_t against = 0;
  bool operator==(const ArmPair&) const = default;
};

std::optional<std::size_t> place_of(const std::string& name,
                                    const std::vector<ClassificationArm>& arms) {
  for (std::size_t i = 0; i < arms.size(); ++i) {
    if (arms[i].name == name) return i;
  }
  return std::nullopt;
}

/// The arms of "A:B". A name may hold colons: meant is the one that stands between two names.
ArmPair find_pair(const std::string& text, const std::vector<ClassificationArm>& arms) {
  for (std::size_t colon = text.find(':'); colon != std::string::npos;
       colon = text.find(':', colon + 1)) {
    const std::optional<std::size_t> arm = place_of(trim(text.substr(0, colon)), arms);
    const std::optional<std::size_t> against = place_of(trim(text.substr(colon + 1)), arms);
    if (arm && against && *arm != *against) return {*arm, *against};
  }
  std::vector<std::string> names;
  for (const ClassificationArm& arm : arms) names.push_back(arm.name);
  throw UsageError("--pair " + quoted_text(text) +
                   " is not A:B with the names of two arms; the arms are " + join(names, ", "));
}

/// Every arm against the first, then the pairs that were asked for; each once.
std::vector<ArmPair> pairs_of(const ClassificationEvaluation& options) {
  std::vector<ArmPair> pairs;
  for (std::size_t i = 1; i < options.arms.size(); ++i) pairs.push_back({i, 0});
  for (const std::string& text : options.pairs) {
    const ArmPair pair = find_pair(text, options.arms);
    if (std::find(pairs.begin(), pairs.end(), pair) == pairs.end()) pairs.push_back(pair);
  }
  return pairs;
}

/// Of every arm, the predictions of each of its classifiers.
std::vector<std::vector<Predictions>> predict(const std::vector<std::vector<Source>>& sources,
                                              const VideoSet& videos, at::Device device) {
  std::vector<std::vector<Predictions>> predictions;
  for (const std::vector<Source>& arm : sources) {
    predictions.emplace_back();
    for (const Source& source : arm) {
      predictions.back().push_back(predictions_of(source, videos, device));
    }
  }
  return predictions;
}

/// The predictions of each arm by one. Throws DataError where the arms are not of the same videos.
std::vector<Predictions> means_of(const std::vector<std::vector<Predictions>>& predictions) {
  std::vector<Predictions> means;
  for (const std::vector<Predictions>& several : predictions) {
    means.push_back(averaged(several));
    require_same_videos(means.back(), means.front(), "the predictions of the arms");
  }
  return means;
}

std::vector<TestLook> looks_of(const ClassificationResult& result) {
  std::vector<TestLook> looks;
  for (const ArmResult& arm : result.arms) {
    TestLook look{"", kTestSplit, arm.name, {}, arm.videos};
    for (const ArmSource& source : arm.sources) look.sources.push_back(source.sha256);
    looks.push_back(std::move(look));
  }
  return looks;
}

}  // namespace

ClassificationArm parse_arm(const std::string& text) {
  const std::size_t equals = text.find('=');
  ClassificationArm arm;
  if (equals != std::string::npos) {
    arm.name = trim(text.substr(0, equals));
    for (const std::string& source : split(text.substr(equals + 1), ',')) {
      if (!trim(source).empty()) arm.sources.push_back(trim(source));
    }
  }
  const bool named = !arm.name.empty() && arm.name.find_first_of("/\\") == std::string::npos;
  if (named && !arm.sources.empty()) return arm;
  throw UsageError("--arm " + quoted_text(text) +
                   " is not NAME=SOURCE[,SOURCE...] with a name without slashes");
}

ClassificationResult evaluate_classification(const ClassificationEvaluation& options) {
  check_options(options);
  const std::vector<ArmPair> pairs = pairs_of(options);
  const at::Device device = parse_device(options.device);
  const VideoSet videos = open_videos(options);
  std::vector<std::vector<Source>> sources;
  for (const ClassificationArm& arm : options.arms) {
    sources.emplace_back();
    for (const std::string& text : arm.sources) sources.back().push_back(find_source(text));
  }
  const bool counted = holds_test_videos(videos);
  TestLooks looks(options.looks.empty() ? fs::path(options.real) / "test_looks.jsonl"
                                        : fs::path(options.looks));
  const std::vector<std::int64_t> numbers = counted
                                                ? count_looks(options, sources, looks)
                                                : std::vector<std::int64_t>(options.arms.size(), 0);

  const std::vector<std::vector<Predictions>> predictions = predict(sources, videos, device);
  const std::vector<Predictions> means = means_of(predictions);
  ClassificationResult result;
  result.asked = options;
  result.asked.looks = counted ? looks.file().string() : "";
  result.classes = means.front().classes;
  for (std::size_t i = 0; i < options.arms.size(); ++i) {
    throw_if_interrupted(kStopped);
    const std::string& name = options.arms[i].name;
    result.arms.push_back(judge(name, predictions[i], options));
    result.arms.back().look = numbers[i];
    for (const Source& source : sources[i]) {
      result.arms.back().sources.push_back({source.text, source.hash});
    }
  }
  for (const auto& [arm, against] : pairs) {
    throw_if_interrupted(kStopped);
    result.comparisons.push_back(compare(options.arms[arm].name, means[arm],
                                         options.arms[against].name, means[against], options));
  }
  StagedResults staged(options.out, result, predictions);
  throw_if_interrupted(kStopped);
  if (counted) looks.add(looks_of(result));
  staged.publish();
  return result;
}

}  // namespace echopath::evaluation
