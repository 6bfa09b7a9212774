#include "echopath/evaluation/classification.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <set>

#include "echopath/core/device.hpp"
#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "echopath/core/logging.hpp"
#include "echopath/core/text.hpp"
#include "echopath/evaluation/predictions.hpp"
#include "echopath/evaluation/test_looks.hpp"
#include "echopath/io/csv.hpp"
#include "echopath/models/model_directory.hpp"

namespace echopath::evaluation {
namespace {

constexpr double kNotANumber = std::numeric_limits<double>::quiet_NaN();

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
  const bool of_all = name == "accuracy" || name == "calibration_error" || name == "brier";
  FigureRange range;
  range.units = of_all ? 0 : patients_of_rarest_class(predictions);
  if (name == "brier" && predictions.classes.size() > 2) range.highest = 2.0;
  if (difference) range.lowest = -range.highest;
  return range;
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
  }
  result.mean = mean_of(all);
  for (std::size_t k = 0; k < result.mean.size(); ++k) {
    double squares = 0.0;
    for (const Scores& scores : result.by_source)
      squares += std::pow(scores[k] - result.mean[k], 2);
    const auto divisor = static_cast<double>(several.size()) - 1.0;
    result.deviation.push_back(divisor > 0 ? std::sqrt(squares / divisor) : 0.0);
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
    result.differences.push_back(bounded_bootstrap(
        arm.patients,
        [&](const auto& rows) {
          return classification_scores(arm, rows, auc_from)[k] -
                 classification_scores(against, rows, auc_from)[k];
        },
        options.bootstrap, range_of(k, arm, true)));
  }
  return result;
}

std::string text_of(double value) {
  if (!std::isfinite(value)) return "";
  char text[32];
  std::snprintf(text, sizeof(text), "%.6f", value);
  return text;
}

void write_tables(const fs::path& out, const ClassificationResult& result) {
  io::CsvTable arms;
  arms.columns = {"Arm", "Classifiers", "Videos", "Patients", "Look"};
  for (const std::string& name : score_names()) {
    for (const char* suffix : {"", "_sd", "_low", "_high"}) arms.columns.push_back(name + suffix);
  }
  for (const ArmResult& arm : result.arms) {
    std::vector<std::string> row = {arm.name, std::to_string(arm.by_source.size()),
                                    std::to_string(arm.videos), std::to_string(arm.patients),
                                    std::to_string(arm.look)};
    for (std::size_t k = 0; k < arm.mean.size(); ++k) {
      for (const double value :
           {arm.mean[k], arm.deviation[k], arm.intervals[k].low, arm.intervals[k].high}) {
        row.push_back(text_of(value));
      }
    }
    arms.rows.push_back(std::move(row));
  }
  io::write_csv(out / "classification.csv", arms);
  io::CsvTable pairs;
  pairs.columns = {"Arm",      "Against", "OnlyArmRight", "OnlyAgainstRight",
                   "McNemarP", "AucArm",  "AucAgainst",   "DeLongP"};
  for (const std::string& name : score_names()) {
    for (const char* suffix : {"_difference", "_low", "_high"}) {
      pairs.columns.push_back(name + suffix);
    }
  }
  for (const ArmComparison& pair : result.comparisons) {
    std::vector<std::string> row = {pair.arm,
                                    pair.against,
                                    std::to_string(pair.mcnemar.only_a),
                                    std::to_string(pair.mcnemar.only_b),
                                    text_of(pair.mcnemar.p),
                                    text_of(pair.delong.auc_a),
                                    text_of(pair.delong.auc_b),
                                    text_of(pair.delong.p)};
    for (const Interval& difference : pair.differences) {
      for (const double value : {difference.estimate, difference.low, difference.high}) {
        row.push_back(text_of(value));
      }
    }
    pairs.rows.push_back(std::move(row));
  }
  io::write_csv(out / "comparisons.csv", pairs);
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

/// Refuses second looks that were not asked for, and counts each arm's look.
std::vector<std::int64_t> count_looks(const ClassificationEvaluation& options,
                                      const std::vector<std::vector<Source>>& sources,
                                      const TestLooks& register_of_looks) {
  std::vector<std::int64_t> looks;
  for (std::size_t i = 0; i < options.arms.size(); ++i) {
    std::vector<std::string> hashes;
    for (const Source& source : sources[i]) hashes.push_back(source.hash);
    const std::int64_t before =
        register_of_looks.looks_at(options.split, options.arms[i].name, hashes);
    if (before > 0 && !options.again) {
      throw UsageError("arm '" + options.arms[i].name + "' has been judged on " + options.split +
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

config::Json figures_json(const std::vector<Interval>& intervals) {
  config::Json json = config::Json::object();
  const auto number = [](double value) {
    return std::isfinite(value) ? config::Json(value) : config::Json(nullptr);
  };
  for (std::size_t k = 0; k < intervals.size(); ++k) {
    json[score_names()[k]] = {{"estimate", number(intervals[k].estimate)},
                              {"low", number(intervals[k].low)},
                              {"high", number(intervals[k].high)}};
  }
  return json;
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
  const fs::path out = options.out;
  if (fs::exists(out) && !fs::is_empty(out) && !fs::exists(out / "classification.json")) {
    throw UsageError("--out '" + options.out +
                     "' holds something that this verb did not write; choose another --out");
  }
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
  const at::Device device = parse_device(options.device);
  const VideoSet videos = open_videos(options);
  std::vector<std::vector<Source>> sources;
  for (const ClassificationArm& arm : options.arms) {
    sources.emplace_back();
    for (const std::string& text : arm.sources) sources.back().push_back(find_source(text));
  }
  const bool counted = options.split == "TEST";
  TestLooks looks(options.looks.empty() ? fs::path(options.real) / "test_looks.jsonl"
                                        : fs::path(options.looks));
  const std::vector<std::int64_t> numbers = counted
                                                ? count_looks(options, sources, looks)
                                                : std::vector<std::int64_t>(options.arms.size(), 0);

  const fs::path out = options.out;
  ClassificationResult result;
  std::vector<Predictions> means;
  for (std::size_t i = 0; i < options.arms.size(); ++i) {
    const std::string& name = options.arms[i].name;
    std::vector<Predictions> several;
    TestLook look{"", options.split, name, {}, 0};
    for (const Source& source : sources[i]) {
      several.push_back(predictions_of(source, videos, device));
      look.sources.push_back(source.hash);
    }
    means.push_back(averaged(several));
    require_same_videos(means.back(), means.front(), "the predictions of the arms");
    look.videos = static_cast<std::int64_t>(means.back().size());
    if (counted) looks.add(look);
    for (std::size_t k = 0; k < several.size(); ++k) {
      write_predictions(out / "predictions" / (name + "_" + std::to_string(k + 1) + ".csv"),
                        several[k]);
    }
    result.arms.push_back(judge(name, several, options));
    result.arms.back().look = numbers[i];
    if (i > 0) {
      result.comparisons.push_back(
          compare(name, means[i], options.arms[0].name, means[0], options));
    }
  }
  result.classes = means.front().classes;
  write_tables(out, result);
  config::Json document = result.to_json();
  document["split"] = options.split;
  document["auc_from"] = options.auc_from;
  write_file(out / "classification.json", document.dump(2) + "\n");
  return result;
}

config::Json ClassificationResult::to_json() const {
  config::Json json = {{"classes", classes},
                       {"arms", config::Json::array()},
                       {"comparisons", config::Json::array()}};
  for (const ArmResult& arm : arms) {
    config::Json row = {{"arm", arm.name},      {"classifiers", arm.by_source.size()},
                        {"videos", arm.videos}, {"patients", arm.patients},
                        {"look", arm.look},     {"scores", figures_json(arm.intervals)}};
    for (std::size_t k = 0; k < arm.deviation.size(); ++k) {
      row["scores"][score_names()[k]]["sd"] = arm.deviation[k];
    }
    json["arms"].push_back(row);
  }
  const auto number = [](double value) {
    return std::isfinite(value) ? config::Json(value) : config::Json(nullptr);
  };
  for (const ArmComparison& pair : comparisons) {
    json["comparisons"].push_back({{"arm", pair.arm},
                                   {"against", pair.against},
                                   {"mcnemar",
                                    {{"only_arm_right", pair.mcnemar.only_a},
                                     {"only_against_right", pair.mcnemar.only_b},
                                     {"p", pair.mcnemar.p}}},
                                   {"delong",
                                    {{"auc_arm", number(pair.delong.auc_a)},
                                     {"auc_against", number(pair.delong.auc_b)},
                                     {"p", number(pair.delong.p)}}},
                                   {"differences", figures_json(pair.differences)}});
  }
  return json;
}

}  // namespace echopath::evaluation
