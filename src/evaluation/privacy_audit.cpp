#include "echopath/evaluation/privacy_audit.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <set>

#include "echopath/core/device.hpp"
#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "echopath/core/logging.hpp"
#include "echopath/evaluation/audit_level.hpp"
#include "echopath/io/csv.hpp"
#include "evaluation/denoising_loss.hpp"
#include "evaluation/held_out_patients.hpp"
#include "evaluation/histogram.hpp"
#include "evaluation/privacy_features.hpp"
#include "evaluation/warnings.hpp"

namespace echopath::evaluation {
namespace {

/// The real videos by what they are for.
struct RealVideos {
  std::vector<data::Study> training;
  std::vector<data::Study> held_out;
};

RealVideos split_real(const LatentReader& real, const std::string& calibration_split) {
  RealVideos videos;
  bool calibrates = false;
  for (const data::Study& study : real.studies()) {
    if (study.split == "TRAIN") {
      videos.training.push_back(study);
    } else {
      videos.held_out.push_back(study);
      calibrates = calibrates || study.split == calibration_split;
    }
  }
  if (videos.training.empty() || !calibrates) {
    throw DataError("'" + real.directory().string() + "' has no video in split " +
                    (videos.training.empty() ? "TRAIN" : calibration_split) +
                    "; the privacy audit needs TRAIN and " + calibration_split);
  }
  require_patients_held_out(real);
  return videos;
}

std::vector<bool> calibrating(const ItemFeatures& held_out, const std::string& split) {
  std::vector<bool> marks;
  for (const data::Study& study : held_out.items) marks.push_back(study.split == split);
  return marks;
}

LevelAudit audit(const ItemFeatures& synthetic, const ItemFeatures& training,
                 const ItemFeatures& held_out, const PrivacyAuditOptions& options) {
  AuditSimilarities similarities;
  similarities.synthetic_training = item_similarity(synthetic, training);
  similarities.synthetic_held_out = item_similarity(synthetic, held_out);
  similarities.held_out_training = item_similarity(held_out, training);
  similarities.training_training = item_similarity(training, training);
  similarities.training_patients = training.patients();
  similarities.held_out_patients = held_out.patients();
  similarities.calibrates = calibrating(held_out, options.calibration_split);
  return audit_level(similarities, options.statistics);
}

/// Every n-th of a list, so that at most `most` are left.
std::vector<data::Study> thinned(const std::vector<data::Study>& studies, std::int64_t most) {
  const auto count = static_cast<std::int64_t>(studies.size());
  const std::int64_t taken = std::min(most, count);
  std::vector<data::Study> some;
  for (std::int64_t i = 0; i < taken; ++i) {
    some.push_back(studies[static_cast<std::size_t>(i * count / taken)]);
  }
  return some;
}

std::vector<std::string> patients_of(const std::vector<data::Study>& studies) {
  std::vector<std::string> names;
  for (const data::Study& study : studies) names.push_back(study.patient_id);
  return names;
}

/// Says why the rate of an attack has no interval.
void warn_of_few_others(const std::string& attack, const MembershipInference& found,
                        PrivacyAudit& audit) {
  if (!found.has_too_few_others()) return;
  char rate[16];
  std::snprintf(rate, sizeof(rate), "%.3g", 100.0 * found.false_positive_rate);
  const std::int64_t least = least_others_for_interval(found.false_positive_rate);
  warn(audit.warnings, "membership by " + attack + ": fewer than " + std::to_string(least) +
                           " held-out videos (" + std::to_string(found.non_members) +
                           "), of which not one may be a false alarm at " + rate +
                           " %: the share of members found has no interval");
}

/// Small losses say "member".
std::vector<double> negated(std::vector<double> values) {
  for (double& value : values) value = -value;
  return values;
}

/// The count and the first name; all of them stand in privacy.json.
void tell_of_short_videos(const std::vector<std::string>& names, const std::string& side,
                          const std::string& what) {
  if (names.empty()) return;
  log_warning(std::to_string(names.size()) + " " + side + " videos are shorter than " + what +
              ": " + names.front() + (names.size() > 1 ? ", …" : ""));
}

void infer_by_denoising(const models::ModelDirectory& model, const LatentReader& real,
                        const RealVideos& videos, const PrivacyAuditOptions& options,
                        at::Device device, PrivacyAudit& audit) {
  for (const char* network : {"lidm", "lvdm"}) {
    if (!model.has(network)) {
      log_info("'" + options.model + "' has no " + network +
               ": no membership inference by its denoising loss");
      continue;
    }
    DenoisingLossOptions asked;
    asked.network = network;
    asked.noise_levels = options.noise_levels;
    asked.seed = options.statistics.seed;
    const auto losses = [&](const std::vector<data::Study>& studies) {
      return denoising_losses(model, real, thinned(studies, options.denoising_items), asked,
                              device);
    };
    const DenoisingLosses members = losses(videos.training), others = losses(videos.held_out);
    const std::string needed = std::string("a block of the ") + network;
    tell_of_short_videos(members.short_videos, "training", needed);
    tell_of_short_videos(others.short_videos, "held-out", needed);
    if (!members.short_videos.empty() || !others.short_videos.empty()) {
      audit.denoising_short_videos[network] = {members.short_videos, others.short_videos};
    }
    if (members.losses.empty() || others.losses.empty()) {
      warn(audit.warnings, "no video on one side is as long as " + needed +
                               ": no membership inference by its denoising loss");
      continue;
    }
    audit.denoising[network] = membership_inference(
        negated(members.losses), patients_of(members.studies), negated(others.losses),
        patients_of(others.studies), options.statistics);
    warn_of_few_others(std::string("denoising loss of the ") + network, audit.denoising[network],
                       audit);
  }
}

/// The rows of one item, which follow each other.
struct RowRange {
  std::int64_t first = 0;
  std::int64_t last = 0;  ///< behind the last row
};

RowRange rows_of(const ItemFeatures& features, std::int64_t item) {
  const auto [first, last] = std::equal_range(features.item.begin(), features.item.end(), item);
  return {first - features.item.begin(), last - features.item.begin()};
}

/// Where two items are most alike: the frames, or the first frames of the clips.
struct AlikePlaces {
  std::int64_t own = 0;
  std::int64_t nearest = 0;
};

AlikePlaces alike_places(const ItemFeatures& items, std::int64_t item, const ItemFeatures& training,
                         std::int64_t nearest) {
  const RowRange own = rows_of(items, item), near = rows_of(training, nearest);
  const NearestRow found = nearest_rows(items.rows.slice(0, own.first, own.last),
                                        training.rows.slice(0, near.first, near.last));
  const auto best =
      std::max_element(found.similarity.begin(), found.similarity.end()) - found.similarity.begin();
  const std::int64_t row = near.first + found.row[static_cast<std::size_t>(best)];
  return {items.place[static_cast<std::size_t>(own.first + best)],
          training.place[static_cast<std::size_t>(row)]};
}

/// What the table says of a synthetic video at one level.
const std::vector<std::string>& level_columns() {
  static const std::vector<std::string> names = {"Similarity", "Nearest", "Patient",
                                                 "Flagged",    "At",      "NearestAt"};
  return names;
}

std::vector<std::string> level_cells(const LevelAudit& level, const ItemFeatures& synthetic,
                                     const ItemFeatures& training, std::size_t item) {
  const data::Study& nearest = training.items[static_cast<std::size_t>(level.nearest[item])];
  const AlikePlaces places =
      alike_places(synthetic, static_cast<std::int64_t>(item), training, level.nearest[item]);
  return {std::to_string(level.similarity[item]),
          nearest.file_name,
          nearest.patient_id,
          level.flagged[item] ? "1" : "0",
          std::to_string(places.own),
          std::to_string(places.nearest)};
}

void write_table(const fs::path& path, const AuditFeatures& synthetic,
                 const AuditFeatures& training, const PrivacyAudit& audit) {
  io::CsvTable table;
  table.columns = {"FileName", "ClassName"};
  for (const char* level : {"Frame", "Motion"}) {
    for (const std::string& name : level_columns()) table.columns.push_back(level + name);
  }
  std::size_t moving = 0;
  for (std::size_t i = 0; i < synthetic.frames.items.size(); ++i) {
    const data::Study& study = synthetic.frames.items[i];
    std::vector<std::string> row = {study.file_name, study.class_name};
    const auto frames = level_cells(audit.frames, synthetic.frames, training.frames, i);
    row.insert(row.end(), frames.begin(), frames.end());
    std::vector<std::string> motion(level_columns().size());
    if (audit.motion && moving < synthetic.motion.items.size() &&
        synthetic.motion.items[moving].file_name == study.file_name) {
      motion = level_cells(*audit.motion, synthetic.motion, training.motion, moving++);
    }
    row.insert(row.end(), motion.begin(), motion.end());
    table.rows.push_back(std::move(row));
  }
  io::write_csv(path, table);
}

void write_histograms(const fs::path& out, const std::string& name, const LevelAudit& level,
                      const std::string& title) {
  const Histogram histogram(
      {{"held-out real", level.held_out_similarity}, {"synthetic", level.similarity}},
      level.threshold);
  histogram.write_csv(out / (name + ".csv"));
  histogram.write_png(out / (name + ".png"), title);
}

/// Warns where the calibrating videos are too few for any threshold to keep the rate asked for.
void warn_of_few_calibrating(const std::string& name, const LevelAudit& level,
                             const PrivacyAuditOptions& options, PrivacyAudit& audit) {
  constexpr double kRounding = 1e-9;
  const double rate = options.statistics.false_positive_rate;
  if (level.expected_rate <= rate + kRounding) return;
  char text[160];
  std::snprintf(text, sizeof(text),
                ": up to %.3g %% of unseen real videos are expected above it, not %.3g %%; give "
                "%.0f or more, or a higher --fpr",
                100.0 * level.expected_rate, 100.0 * rate, std::ceil(1.0 / rate - 1.0 - kRounding));
  warn(audit.warnings, "the threshold of the " + name + " is the largest similarity of only " +
                           std::to_string(level.calibrating) + " " + options.calibration_split +
                           " videos" + text);
}

/// The result with all that it depends on.
void write_document(const fs::path& path, const PrivacyAudit& audit,
                    const PrivacyAuditOptions& options, const models::ModelDirectory& model) {
  config::Json document = audit.to_json();
  PrivacyAuditOptions recorded = options;
  document["options"] = config::dump(config::visit_of(recorded));
  document["seed"] = options.statistics.seed;
  std::vector<std::string> networks = {"reid"};
  if (model.has("vae")) networks.push_back("vae");
  for (const auto& [network, inference] : audit.denoising) networks.push_back(network);
  for (const std::string& network : networks) {
    document[network + "_sha256"] = model.component_hash(network);
  }
  write_file(path, document.dump(2) + "\n");
}

}  // namespace

void PrivacyAuditOptions::visit(config::Visitor& v) {
  v.text("real", real, "dataset or latents directory with TRAIN and held-out videos");
  v.text("synthetic", synthetic, "dataset, sample or latents directory to audit");
  v.text("model", model, "model directory");
  v.choice("calibration_split", calibration_split, {"VAL", "TEST"},
           "split that the threshold is taken from; the other one checks it");
  v.integer("frames", frames, {1, 100000}, "frames of each video");
  v.real("false_positive_rate", statistics.false_positive_rate, {0.0001, 0.5},
         "of the memorisation threshold");
  v.real("membership_rate", statistics.membership_rate, {0.0001, 0.5},
         "false positives at which membership inference is told");
  v.integer("resamples", statistics.resamples, {1, 1000000}, "of the bootstrap");
  v.boolean("denoising", denoising, "membership inference by denoising loss");
  v.integer("denoising_items", denoising_items, {2, 1000000}, "most videos of each side for it");
  v.integer("noise_levels", noise_levels, {1, 1000}, "noise levels of it");
}

config::Json PrivacyAudit::to_json() const {
  config::Json by_loss = config::Json::object(), too_short = config::Json::object();
  for (const auto& [network, inference] : denoising) by_loss[network] = inference.to_json();
  for (const auto& [network, videos] : denoising_short_videos) {
    too_short[network] = {{"members", videos.members}, {"others", videos.others}};
  }
  return {{"synthetic", synthetic},
          {"training_patients", training_patients},
          {"held_out_patients", held_out_patients},
          {"frames", frames.to_json()},
          {"motion", motion ? motion->to_json() : config::Json(nullptr)},
          {"short_videos", short_videos},
          {"short_training_videos", short_training_videos},
          {"short_held_out_videos", short_held_out_videos},
          {"membership_by_denoising", by_loss},
          {"denoising_short_videos", too_short},
          {"warnings", warnings}};
}

PrivacyAudit run_privacy_audit(const PrivacyAuditOptions& options) {
  const fs::path out = options.out;
  if (fs::exists(out) && !fs::is_empty(out) && !fs::exists(out / "privacy.json")) {
    throw UsageError("--out '" + options.out +
                     "' holds something that the audit did not write; choose another --out");
  }
  PrivacyAudit result;
  result.warnings = warn_of_confused_directories(options.real, options.synthetic);
  const at::Device device = parse_device(options.device);
  const models::ModelDirectory model = models::ModelDirectory::open(options.model);
  model.require({"reid"});
  models::ReIdNet network = model.load_reid(device);
  const LatentReader real = LatentReader::open(options.real, model, device);
  const LatentReader sampled = LatentReader::open(options.synthetic, model, device);
  const RealVideos videos = split_real(real, options.calibration_split);
  if (sampled.studies().size() < 2) {
    throw DataError("'" + options.synthetic +
                    "' holds a single video; the privacy audit judges a set: give it two or more");
  }

  const auto features = [&](const LatentReader& reader, const std::vector<data::Study>& studies,
                            const std::string& what) {
    AuditFeatures found =
        audit_features(reader, studies, options.frames, network, device, what + " videos");
    tell_of_short_videos(found.short_videos, what, "a second and left out of the motion level");
    return found;
  };
  const AuditFeatures training = features(real, videos.training, "training");
  const AuditFeatures held_out = features(real, videos.held_out, "held-out");
  const AuditFeatures synthetic = features(sampled, sampled.studies(), "synthetic");

  result.synthetic = static_cast<std::int64_t>(synthetic.frames.items.size());
  const auto patients = [](const std::vector<data::Study>& studies) {
    const auto names = patients_of(studies);
    return static_cast<std::int64_t>(std::set<std::string>(names.begin(), names.end()).size());
  };
  result.training_patients = patients(videos.training);
  result.held_out_patients = patients(videos.held_out);
  result.short_videos = synthetic.short_videos;
  result.short_training_videos = training.short_videos;
  result.short_held_out_videos = held_out.short_videos;
  result.frames = audit(synthetic.frames, training.frames, held_out.frames, options);
  warn_of_few_calibrating("frames", result.frames, options, result);
  warn_of_few_others("similarity of frames", result.frames.membership, result);
  const std::string too_few = too_few_to_audit(
      static_cast<std::int64_t>(synthetic.motion.items.size()), training.motion.patients(),
      held_out.motion.patients(), calibrating(held_out.motion, options.calibration_split));
  if (!too_few.empty()) {
    warn(result.warnings,
         "no audit of motion, which needs of videos of a second or more " + too_few);
  } else {
    result.motion = audit(synthetic.motion, training.motion, held_out.motion, options);
    warn_of_few_calibrating("motion", *result.motion, options, result);
    warn_of_few_others("similarity of motion", result.motion->membership, result);
  }
  if (options.denoising) infer_by_denoising(model, real, videos, options, device, result);

  write_table(out / "privacy_audit.csv", synthetic, training, result);
  write_histograms(out, "privacy_histogram", result.frames,
                   "largest re-ID similarity to a training video");
  if (result.motion) {
    write_histograms(out, "motion_histogram", *result.motion,
                     "largest similarity of movement to a training video");
  }
  write_document(out / "privacy.json", result, options, model);
  return result;
}

}  // namespace echopath::evaluation
