#include "echopath/evaluation/privacy_filter.hpp"

#include <algorithm>
#include <cmath>
#include <system_error>
#include <utility>

#include "echopath/core/device.hpp"
#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "echopath/core/logging.hpp"
#include "echopath/core/statistics.hpp"
#include "echopath/io/csv.hpp"
#include "echopath/io/safetensors.hpp"
#include "echopath/models/reid_threshold.hpp"
#include "evaluation/filter_results.hpp"
#include "evaluation/held_out_patients.hpp"
#include "evaluation/histogram.hpp"
#include "evaluation/reid_features.hpp"
#include "evaluation/warnings.hpp"

namespace echopath::evaluation {
namespace {

/// Below this many values the default percentile is little more than the largest of them.
constexpr std::size_t kFewValues = 20;
constexpr const char* kTrainingFrames = "training frames";

constexpr const char* kDocument = "filter.json";
constexpr const char* kScores = "privacy_scores.csv";
constexpr const char* kHistogramTable = "privacy_histogram.csv";
constexpr const char* kHistogramPicture = "privacy_histogram.png";
constexpr const char* kKept = "kept.csv";

struct Threshold {
  double tau = 0.0;
  std::string source;
  std::string over;
  std::vector<double> values;  ///< that it is compared with or taken from
};

/// The largest similarity of each item, and the row where it is.
struct ItemScores {
  std::vector<double> similarity;
  std::vector<std::int64_t> row;      ///< of the item's own
  std::vector<std::int64_t> nearest;  ///< row of the training features
};

ItemScores scores_of(const ItemFeatures& items, const ItemFeatures& training) {
  const NearestRow nearest = nearest_rows(items.rows, training.rows);
  ItemScores scores;
  scores.similarity.assign(items.items.size(), -2.0);
  scores.row.assign(items.items.size(), 0);
  scores.nearest.assign(items.items.size(), 0);
  for (std::size_t row = 0; row < nearest.row.size(); ++row) {
    const auto item = static_cast<std::size_t>(items.item[row]);
    if (nearest.similarity[row] <= scores.similarity[item]) continue;
    scores.similarity[item] = nearest.similarity[row];
    scores.row[item] = static_cast<std::int64_t>(row);
    scores.nearest[item] = nearest.row[row];
  }
  return scores;
}

std::vector<data::Study> require_studies(const LatentReader& reader, const std::string& split) {
  std::vector<data::Study> studies = data::studies_of_split(reader.studies(), split);
  if (studies.empty()) {
    throw DataError("'" + reader.directory().string() + "' has no video in split " + split +
                    ", which the privacy filter needs; look at the Split column of its "
                    "FileList.csv");
  }
  return studies;
}

/// One run of the filter.
class Filter {
 public:
  Filter(const FilterOptions& options, std::vector<std::string> warnings)
      : options_(options),
        warnings_(std::move(warnings)),
        device_(parse_device(options.device)),
        model_(models::ModelDirectory::open(options.model)),
        real_(open(options.real)),
        synthetic_(open(options.synthetic)) {
    model_.require({"reid"});
    network_ = model_.load_reid(device_);
  }

  FilterSummary run() {
    require_patients_held_out(real_);
    training_ = features(real_, require_studies(real_, "TRAIN"), options_.real_frames, false,
                         "training frames");
    const ItemFeatures synthetic =
        features(synthetic_, synthetic_.studies(), options_.frames, true, "synthetic frames");
    const bool single = synthetic.rows.size(0) == static_cast<std::int64_t>(synthetic.items.size());
    const Threshold threshold = find_threshold(single);
    const ItemScores scores = scores_of(synthetic, training_);
    return write(synthetic, scores, threshold);
  }

 private:
  LatentReader open(const std::string& directory) const {
    return LatentReader::open(directory, model_, device_);
  }

  ItemFeatures features(const LatentReader& reader, const std::vector<data::Study>& studies,
                        std::int64_t frames, bool synthetic, const std::string& what) {
    ReidView view{frames, options_.compatibility.privacy_normalisation};
    if (synthetic && options_.compatibility.privacy_synthetic_normalisation == "set") {
      view.normalisation = "set";
    }
    return reid_features(reader, studies, view, network_, device_, what);
  }

  /// Why the model's threshold does not hold here; empty where it does.
  std::string objection(const models::ReIdThreshold& stored, bool single) const {
    if (!single) return "it is for single frames, and several of each video are judged";
    if (stored.weights_hash != model_.component_hash("reid")) {
      return "it belongs to other re-ID weights";
    }
    if (stored.normalisation != options_.compatibility.privacy_normalisation) {
      return "its frames were stretched otherwise (" + stored.normalisation + ")";
    }
    if (stored.calibration != options_.compatibility.privacy_calibration) {
      return "it was calibrated otherwise (" + stored.calibration + ")";
    }
    if (stored.percentile != options_.percentile) return "it is of another percentile";
    const io::SafetensorsFile file(model_.path() / "reid" / "train_embeddings.safetensors");
    const at::Tensor known = file.tensor("embeddings");
    if (known.sizes() != training_.rows.sizes() ||
        (known - training_.rows).abs().max().item<double>() > 1e-2) {
      return "the training frames in --real are not those that it was calibrated with";
    }
    return "";
  }

  Threshold find_threshold(bool single) {
    if (options_.tau) return {*options_.tau, "given", side(single), values(single, false)};
    if (options_.threshold != "real") {
      const fs::path path = model_.path() / "reid" / "threshold.json";
      std::string reason = "there is none";
      if (options_.threshold == "model" || fs::exists(path)) {
        const models::ReIdThreshold stored = models::read_reid_threshold(path);
        reason = objection(stored, single);
        if (reason.empty()) return {stored.tau, "model", side(true), values(true, false)};
      }
      const std::string told = "the threshold of '" + model_.path().string() + "' does not hold: ";
      if (options_.threshold == "model") {
        throw DataError(told + reason + "; take one of --real with --threshold real");
      }
      log_info(told + reason + "; it is taken from the held-out videos of --real");
    }
    Threshold threshold;
    threshold.source = "real";
    threshold.over = side(single);
    threshold.values = values(single, true);
    if (threshold.values.size() < kFewValues) {
      warn(warnings_, "tau is taken from " + std::to_string(threshold.values.size()) + " " +
                          threshold.over + " only: it says little about rare similarities");
    }
    threshold.tau = percentile(threshold.values, options_.percentile);
    return threshold;
  }

  /// What the values() are of.
  std::string side(bool single) const {
    if (options_.compatibility.privacy_calibration == "training") return kTrainingFrames;
    return single ? "held-out frames" : "held-out videos";
  }

  /// What τ is a percentile over. Where it is not needed and --real holds nothing back: empty.
  std::vector<double> values(bool single, bool needed) {
    const std::string& split = options_.compatibility.privacy_split;
    if (!needed && data::studies_of_split(real_.studies(), split).empty()) return {};
    const ItemFeatures held_out =
        features(real_, require_studies(real_, split),
                 single ? options_.real_frames : options_.frames, false, "held-out frames");
    if (options_.compatibility.privacy_calibration == "training") {
      return nearest_rows(training_.rows, held_out.rows).similarity;
    }
    if (single) return nearest_rows(held_out.rows, training_.rows).similarity;
    return scores_of(held_out, training_).similarity;
  }

  FilterSummary write(const ItemFeatures& synthetic, const ItemScores& scores,
                      const Threshold& threshold) const;

  FilterOptions options_;
  std::vector<std::string> warnings_;
  at::Device device_;
  models::ModelDirectory model_;
  LatentReader real_;
  LatentReader synthetic_;
  models::ReIdNet network_{nullptr};
  ItemFeatures training_;
};

io::CsvTable score_table(const ItemFeatures& synthetic, const ItemScores& scores,
                         const ItemFeatures& training, double tau) {
  io::CsvTable table;
  table.columns = {"FileName",       "ClassName",    "Similarity", "Frame", "NearestReal",
                   "NearestPatient", "NearestFrame", "Tau",        "Kept"};
  for (std::size_t i = 0; i < synthetic.items.size(); ++i) {
    const auto row = static_cast<std::size_t>(scores.nearest[i]);
    const data::Study& real = training.items[static_cast<std::size_t>(training.item[row])];
    const auto own = static_cast<std::size_t>(scores.row[i]);
    table.rows.push_back({synthetic.items[i].file_name, synthetic.items[i].class_name,
                          std::to_string(scores.similarity[i]),
                          std::to_string(synthetic.place[own]), real.file_name, real.patient_id,
                          std::to_string(training.place[row]), std::to_string(tau),
                          scores.similarity[i] < tau ? "1" : "0"});
  }
  return table;
}

FilterSummary Filter::write(const ItemFeatures& synthetic, const ItemScores& scores,
                            const Threshold& threshold) const {
  FilterSummary summary;
  summary.judged = static_cast<std::int64_t>(synthetic.items.size());
  summary.tau = threshold.tau;
  summary.tau_source = threshold.source;
  summary.tau_over = threshold.over;
  summary.training_frames = training_.rows.size(0);
  summary.warnings = warnings_;
  summary.compared = static_cast<std::int64_t>(threshold.values.size());
  const auto over = std::count_if(threshold.values.begin(), threshold.values.end(),
                                  [&](double value) { return value >= threshold.tau; });
  summary.compared_rate =
      static_cast<double>(over) / static_cast<double>(std::max<std::int64_t>(summary.compared, 1));
  std::vector<data::Study> kept;
  for (std::size_t i = 0; i < synthetic.items.size(); ++i) {
    if (scores.similarity[i] < threshold.tau) kept.push_back(synthetic.items[i]);
  }
  summary.kept = static_cast<std::int64_t>(kept.size());

  const fs::path out = options_.out;
  std::vector<std::string> files = {kDocument, kScores, kHistogramTable, kHistogramPicture, kKept};
  std::optional<KeptCopy> copy;
  if (options_.copy) {
    copy.emplace(synthetic_, kept);
    for (std::string& file : copy->files()) files.push_back(std::move(file));
  }
  start_filter_results(out, files);
  io::write_csv(out / kScores, score_table(synthetic, scores, training_, threshold.tau));
  // Training frames are compared the other way round.
  const std::string compared =
      threshold.over == kTrainingFrames ? "training to held-out" : threshold.over;
  const Histogram histogram({{compared, threshold.values}, {"synthetic", scores.similarity}},
                            threshold.tau);
  histogram.write_csv(out / kHistogramTable);
  histogram.write_png(out / kHistogramPicture, "largest re-ID similarity to a training frame");
  data::write_file_list(out / kKept, kept);
  if (copy) copy->write(out);
  config::Json document = summary.to_json();
  FilterOptions options = options_;
  document["options"] = config::dump(config::visit_of(options));
  document["reid_sha256"] = model_.component_hash("reid");
  if (model_.has("vae")) document["vae_sha256"] = model_.component_hash("vae");
  write_file(out / kDocument, document.dump(2) + "\n");  // last: the run is finished
  return summary;
}

}  // namespace

void FilterOptions::visit(config::Visitor& v) {
  v.text("real", real, "dataset or latents directory with TRAIN and held-out videos");
  v.text("synthetic", synthetic, "latents, dataset or sample directory to judge");
  v.text("model", model, "model directory with reid/ and, for videos, vae/");
  v.choice("threshold", threshold, {"auto", "model", "real"},
           "tau of the model directory, of the held-out videos of --real, or the first that holds");
  v.real("percentile", percentile, {0, 100}, "of the held-out similarities, which is tau");
  v.integer("frames", frames, {1, 100000}, "frames of each synthetic item that are judged");
  v.integer("real_frames", real_frames, {1, 100000}, "frames of each real video to compare with");
  v.boolean("copy", copy, "copy the kept files to the output too");
  v.section(
      "compatibility", [this](config::Visitor& c) { compatibility.visit_privacy_filter(c); },
      "reproduction switches");
}

void FilterOptions::follow_published_code() {
  threshold = "real";
  frames = real_frames = 1;
  compatibility.privacy_normalisation = "video";
  compatibility.privacy_synthetic_normalisation = "set";
  compatibility.privacy_calibration = "training";
  compatibility.privacy_split = "TEST";
}

config::Json FilterSummary::to_json() const {
  return {{"judged", judged},
          {"kept", kept},
          {"tau", tau},
          {"tau_source", tau_source},
          {"tau_over", tau_over},
          {"compared", compared},
          {"compared_rate", compared == 0 ? config::Json(nullptr) : config::Json(compared_rate)},
          {"training_frames", training_frames},
          {"warnings", warnings}};
}

FilterSummary run_filter(const FilterOptions& options) {
  if (options.tau && !std::isfinite(*options.tau)) {
    throw UsageError("--tau must be a finite number");
  }
  require_filter_folder(options.out);
  for (const auto& [name, folder] :
       {std::pair("--real", &options.real), std::pair("--synthetic", &options.synthetic)}) {
    std::error_code unknown;
    if (!fs::equivalent(options.out, *folder, unknown)) continue;
    throw UsageError("--out '" + options.out + "' is " + name +
                     " too, whose files would be removed; choose another --out");
  }
  return Filter(options, warn_of_confused_directories(options.real, options.synthetic)).run();
}

}  // namespace echopath::evaluation
