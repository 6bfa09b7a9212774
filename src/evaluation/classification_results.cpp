#include "evaluation/classification_results.hpp"

#include <cmath>
#include <cstdio>
#include <system_error>

#include "echopath/core/errors.hpp"
#include "echopath/evaluation/class_figures.hpp"
#include "echopath/io/csv.hpp"

namespace echopath::evaluation {
namespace {

constexpr const char* kDocument = "classification.json";
constexpr const char* kArms = "classification.csv";
constexpr const char* kComparisons = "comparisons.csv";
constexpr const char* kPredictions = "predictions";
/// Of the hidden folder that results are staged in.
constexpr const char* kUnfinished = "unfinished";

/// Whether a file is called ARM_I.csv.
bool is_prediction_file(const fs::directory_entry& entry) {
  const std::string stem = entry.path().stem().string();
  const std::size_t place = stem.rfind('_');
  return entry.is_regular_file() && entry.path().extension() == ".csv" &&
         place != std::string::npos && place + 1 < stem.size() &&
         stem.find_first_not_of("0123456789", place + 1) == std::string::npos;
}

/// Whether a folder holds nothing but what a stopped run may have left.
bool holds_own_files_only(const fs::path& out) {
  for (const fs::directory_entry& entry : fs::directory_iterator(out)) {
    const std::string name = entry.path().filename().string();
    if (name == kArms || name == kComparisons) continue;
    if (name.starts_with(std::string(".") + kUnfinished)) continue;
    if (name != kPredictions || !entry.is_directory()) return false;
    for (const fs::directory_entry& file : fs::directory_iterator(entry.path())) {
      if (!is_prediction_file(file)) return false;
    }
  }
  return true;
}

std::string text_of(double value) {
  if (!std::isfinite(value)) return "";
  char text[32];
  std::snprintf(text, sizeof(text), "%.6f", value);
  return text;
}

config::Json figures_json(const std::vector<Interval>& intervals) {
  config::Json json = config::Json::object();
  for (std::size_t k = 0; k < intervals.size(); ++k) {
    json[score_names()[k]] = to_json(intervals[k]);
  }
  return json;
}

config::Json arm_json(const ArmResult& arm) {
  config::Json row = {{"arm", arm.name},      {"classifiers", arm.by_source.size()},
                      {"videos", arm.videos}, {"patients", arm.patients},
                      {"look", arm.look},     {"sources", config::Json::array()}};
  for (const ArmSource& source : arm.sources) {
    const config::Json named = {{"source", source.text}, {"sha256", source.sha256}};
    row["sources"].push_back(named);
  }
  row["scores"] = figures_json(arm.intervals);
  for (std::size_t k = 0; k < arm.deviation.size(); ++k) {
    row["scores"][score_names()[k]]["sd"] = number_or_null(arm.deviation[k]);
  }
  row["calibration_error_if_calibrated"] = arm.calibration_error_if_calibrated;
  return row;
}

config::Json comparison_json(const ArmComparison& pair) {
  return {{"arm", pair.arm},
          {"against", pair.against},
          {"mcnemar",
           {{"only_arm_right", pair.mcnemar.only_a},
            {"only_against_right", pair.mcnemar.only_b},
            {"p", pair.mcnemar.p}}},
          {"delong",
           {{"auc_from", "scores"},
            {"auc_arm", number_or_null(pair.delong.auc_a)},
            {"auc_against", number_or_null(pair.delong.auc_b)},
            {"p", number_or_null(pair.delong.p)}}},
          {"differences", figures_json(pair.differences)}};
}

void write_arms(const fs::path& path, const ClassificationResult& result) {
  io::CsvTable table;
  table.columns = {"Arm", "Classifiers", "Videos", "Patients", "Look", "AucFrom"};
  for (const std::string& name : score_names()) {
    for (const char* suffix : {"", "_sd", "_low", "_high"}) table.columns.push_back(name + suffix);
  }
  for (const ArmResult& arm : result.arms) {
    std::vector<std::string> row = {arm.name,
                                    std::to_string(arm.by_source.size()),
                                    std::to_string(arm.videos),
                                    std::to_string(arm.patients),
                                    std::to_string(arm.look),
                                    result.asked.auc_from};
    for (std::size_t k = 0; k < arm.mean.size(); ++k) {
      for (const double value :
           {arm.mean[k], arm.deviation[k], arm.intervals[k].low, arm.intervals[k].high}) {
        row.push_back(text_of(value));
      }
    }
    table.rows.push_back(std::move(row));
  }
  io::write_csv(path, table);
}

void write_comparisons(const fs::path& path, const ClassificationResult& result) {
  io::CsvTable table;
  table.columns = {"Arm",    "Against",    "OnlyArmRight", "OnlyAgainstRight", "McNemarP",
                   "AucArm", "AucAgainst", "DeLongP",      "AucFrom"};
  for (const std::string& name : score_names()) {
    for (const char* suffix : {"_difference", "_low", "_high"}) {
      table.columns.push_back(name + suffix);
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
                                    text_of(pair.delong.p),
                                    result.asked.auc_from};
    for (const Interval& difference : pair.differences) {
      for (const double value : {difference.estimate, difference.low, difference.high}) {
        row.push_back(text_of(value));
      }
    }
    table.rows.push_back(std::move(row));
  }
  io::write_csv(path, table);
}

void make_folder(const fs::path& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (!error) return;
  throw DataError("cannot create the folder '" + path.string() + "': " + error.message() +
                  "; name another --out");
}

void move_to(const fs::path& from, const fs::path& to) {
  std::error_code error;
  fs::rename(from, to, error);
  if (!error) return;
  throw DataError("cannot create '" + to.string() + "': " + error.message() +
                  "; name another --out");
}

}  // namespace

void require_own_folder(const fs::path& out) {
  if (!fs::exists(out) || fs::exists(out / kDocument)) return;
  if (fs::is_directory(out) && holds_own_files_only(out)) return;
  throw UsageError("--out '" + out.string() +
                   "' holds something that this verb did not write; choose another --out");
}

StagedResults::StagedResults(fs::path out, const ClassificationResult& result,
                             const std::vector<std::vector<Predictions>>& predictions)
    : out_(std::move(out)), unfinished_(out_ / kUnfinished) {
  make_folder(out_ / kPredictions);
  const fs::path& folder = unfinished_.temporary_path();
  for (std::size_t i = 0; i < predictions.size(); ++i) {
    for (std::size_t k = 0; k < predictions[i].size(); ++k) {
      const std::string name = result.arms[i].name + "_" + std::to_string(k + 1) + ".csv";
      write_predictions(folder / kPredictions / name, predictions[i][k]);
    }
  }
  write_arms(folder / kArms, result);
  write_comparisons(folder / kComparisons, result);
  write_file(folder / kDocument, result.to_json().dump(2) + "\n");
}

void StagedResults::publish() {
  const fs::path& folder = unfinished_.temporary_path();
  std::vector<fs::path> names;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder / kPredictions)) {
    names.push_back(fs::path(kPredictions) / entry.path().filename());
  }
  for (const char* name : {kArms, kComparisons, kDocument}) names.emplace_back(name);
  for (const fs::path& name : names) move_to(folder / name, out_ / name);
}

config::Json ClassificationResult::to_json() const {
  config::Json json = {
      {"dataset", asked.real},
      {"split", asked.split},
      {"looks", asked.looks.empty() ? config::Json(nullptr) : config::Json(asked.looks)},
      {"auc_from", asked.auc_from},
      {"bootstrap",
       {{"resamples", asked.bootstrap.resamples},
        {"coverage", asked.bootstrap.coverage},
        {"seed", asked.bootstrap.seed}}},
      {"classes", classes},
      {"arms", config::Json::array()},
      {"comparisons", config::Json::array()}};
  for (const ArmResult& arm : arms) json["arms"].push_back(arm_json(arm));
  for (const ArmComparison& pair : comparisons) {
    json["comparisons"].push_back(comparison_json(pair));
  }
  return json;
}

}  // namespace echopath::evaluation
