#include <algorithm>
#include <cstdio>

#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "echopath/evaluation/video_set.hpp"
#include "evaluation/report_chapters.hpp"

namespace echopath::evaluation {
namespace {

/// The columns of level_row().
const std::vector<std::string>& level_columns() {
  static const std::vector<std::string> names = {"level",
                                                 "N synthetic",
                                                 "N training",
                                                 "N held-out",
                                                 "N calibrating",
                                                 "threshold",
                                                 "unseen real above it at most, %",
                                                 "held-out real flagged, %",
                                                 "memorised samples, %",
                                                 "memorised patients, %",
                                                 "by chance at most, %",
                                                 "nearer to training, %",
                                                 "median distance ratio",
                                                 "authentic, %",
                                                 "authentic held-out real, %",
                                                 "covered, %",
                                                 "covered by held-out real, %"};
  return names;
}

/// `synthetic` is how many synthetic videos the level is of.
config::Json level_row(const std::string& name, const config::Json& level, std::int64_t synthetic) {
  const auto interval = [&](const char* key) { return interval_text(level.at(key), 100.0); };
  const auto percent = [&](const char* key) { return level.at(key).get<double>() * 100.0; };
  const config::Json& membership = level.at("membership_by_similarity");
  return {name,
          synthetic,
          membership.at("members"),
          membership.at("non_members"),
          level.at("calibrating"),
          level.at("threshold"),
          percent("expected_rate"),
          interval("check_rate"),
          interval("flagged_samples"),
          interval("flagged_patients"),
          percent("flagged_patients_by_chance"),
          interval("nearer_to_training"),
          level.at("median_distance_ratio"),
          interval("authenticity"),
          percent("held_out_authenticity"),
          interval("coverage"),
          percent("held_out_coverage")};
}

/// The columns of membership_row().
const std::vector<std::string>& membership_columns() {
  static const std::vector<std::string> names = {
      "attack", "AUC", "found, %", "found by chance, %", "at false alarms, %", "members", "others"};
  return names;
}

config::Json membership_row(const std::string& name, const config::Json& found) {
  config::Json by_chance = "";  // older audits do not tell it
  if (found.contains("chance_true_positive_rate")) {
    by_chance = found["chance_true_positive_rate"].get<double>() * 100.0;
  }
  return {name,
          interval_text(found.at("auc")),
          interval_text(found.at("tpr"), 100.0),
          by_chance,
          found.at("at_fpr").get<double>() * 100.0,
          found.at("members"),
          found.at("non_members")};
}

/// A frame of a video; empty where the set has no such video or frame.
std::string frame_address(const VideoSet& set, const std::string& name, std::int64_t frame) {
  const auto found = std::find_if(
      set.videos().begin(), set.videos().end(),
      [&](const VideoItem& item) { return item.name == name || item.path.filename() == name; });
  if (found == set.videos().end()) return "";
  const io::Frames frames = load_frames(*found);
  return frame >= 0 && frame < frames.count ? picture_address(frames, frame) : "";
}

/// Samples beside their nearest training videos, at the two frames that are most alike, and the
/// most alike pairs first. Needs both directories. Only a simulated dataset has a phantom.csv.
void add_neighbours(Chapter& chapter, const fs::path& result, const config::Json& options,
                    std::int64_t most) {
  if (!has_file(result, "privacy_audit.csv")) return;
  io::CsvTable table = io::read_csv(result / "privacy_audit.csv");
  const auto column = [&](const char* name) {
    return static_cast<std::size_t>(table.require_column(name));
  };
  const std::size_t name = column("FileName"), near = column("FrameNearest"),
                    similarity = column("FrameSimilarity"), patient = column("FramePatient"),
                    flagged = column("FrameFlagged"), own_at = column("FrameAt"),
                    near_at = column("FrameNearestAt");
  std::sort(table.rows.begin(), table.rows.end(), [&](const auto& a, const auto& b) {
    return std::stod(a[similarity]) > std::stod(b[similarity]);
  });
  try {
    VideoSetOptions any;
    any.refuse_shared_patients = false;
    const VideoSet real = VideoSet::open(options.at("real").get<std::string>(), any);
    const VideoSet synthetic = VideoSet::open(options.at("synthetic").get<std::string>(), any);
    config::Json items = config::Json::array();
    for (const auto& row : table.rows) {
      if (static_cast<std::int64_t>(items.size()) >= most) break;
      const std::string left = frame_address(synthetic, row[name], std::stoll(row[own_at]));
      const std::string right = frame_address(real, row[near], std::stoll(row[near_at]));
      if (left.empty() || right.empty()) continue;
      const std::string left_name = row[name] + ", frame " + row[own_at];
      const std::string right_name = row[near] + ", frame " + row[near_at];
      items.push_back({{"left", {{"image", left}, {"caption", left_name}}},
                       {"right", {{"image", right}, {"caption", right_name}}},
                       {"caption", left_name + " (left) and training patient " + row[patient] +
                                       ", " + right_name + ": similarity " + row[similarity] +
                                       (row[flagged] == "1" ? ", flagged as memorised" : "")}});
    }
    if (!items.empty() && !has_file(options.at("real").get<std::string>(), "phantom.csv")) {
      add_note(chapter,
               "The nearest training videos below are frames of real patients: this page is as "
               "confidential as they are.");
    }
    add_section(chapter,
                {{"type", "pairs"},
                 {"title", "Samples and their nearest training videos, at the frames most alike"},
                 {"items", items}});
  } catch (const DataError& error) {
    add_note(chapter, std::string("Nearest training videos are not shown: ") + error.what());
  }
}

/// How similar both sides are to the training videos, with the threshold of the level.
void add_level_histogram(Chapter& chapter, const fs::path& file, const std::string& title,
                         const config::Json& level) {
  if (level.is_null() || !fs::is_regular_file(file)) return;
  add_histogram(chapter, title, io::read_csv(file),
                {"threshold", level.at("threshold").get<double>()});
}

/// A row of the videos that a figure is not of because they are too short: figure, side, N, names.
void add_short_videos(config::Json& rows, const std::string& figure, const std::string& side,
                      const config::Json& names) {
  if (names.empty()) return;
  std::string listed;
  for (const config::Json& name : names) {
    listed += (listed.empty() ? "" : ", ") + name.get<std::string>();
  }
  rows.push_back({figure, side, names.size(), listed});
}

config::Json short_video_rows(const config::Json& found) {
  const config::Json none = config::Json::array();
  config::Json rows = config::Json::array();
  add_short_videos(rows, "motion", "synthetic", found.value("short_videos", none));
  add_short_videos(rows, "motion", "training", found.value("short_training_videos", none));
  add_short_videos(rows, "motion", "held-out", found.value("short_held_out_videos", none));
  const config::Json networks = found.value("denoising_short_videos", config::Json::object());
  for (const auto& [network, sides] : networks.items()) {
    const std::string figure = "denoising loss of the " + network;
    add_short_videos(rows, figure, "training", sides.value("members", none));
    add_short_videos(rows, figure, "held-out", sides.value("others", none));
  }
  return rows;
}

}  // namespace

Chapter privacy_chapter(const fs::path& result, const ReportOptions& options) {
  const config::Json found = read_document(result / "privacy.json");
  const config::Json& asked = found.at("options");
  Chapter chapter = make_chapter("Privacy audit");
  const auto synthetic = found.at("synthetic").get<std::int64_t>();
  add_note(chapter,
           std::to_string(synthetic) + " synthetic videos, " +
               std::to_string(found.at("training_patients").get<std::int64_t>()) +
               " training patients, " +
               std::to_string(found.at("held_out_patients").get<std::int64_t>()) +
               " held-out ones. Intervals in brackets, 95 %. Passing an audit does not prove that "
               "nobody can be found.");
  char rate[16];
  std::snprintf(rate, sizeof(rate), "%.3g", asked.at("false_positive_rate").get<double>() * 100.0);
  add_note(chapter,
           "The threshold is meant to let " + std::string(rate) +
               " % (--fpr) of real videos that were not trained on lie above it; it is taken from "
               "those of " +
               asked.at("calibration_split").get<std::string>() + ".");
  add_warnings(chapter, found);
  config::Json levels = config::Json::array(), attacks = config::Json::array();
  const auto without_motion = static_cast<std::int64_t>(found.at("short_videos").size());
  for (const char* level : {"frames", "motion"}) {
    if (found.at(level).is_null()) continue;
    const bool is_motion = level == std::string("motion");
    levels.push_back(level_row(level, found[level], synthetic - (is_motion ? without_motion : 0)));
    attacks.push_back(membership_row(std::string("similarity to the samples, ") + level,
                                     found[level].at("membership_by_similarity")));
  }
  for (const auto& [network, inference] : found.at("membership_by_denoising").items()) {
    attacks.push_back(membership_row("denoising loss of the " + network, inference));
  }
  add_table(chapter, "Memorisation", level_columns(), levels);
  add_table(chapter, "Membership inference", membership_columns(), attacks);
  const config::Json too_short = short_video_rows(found);
  if (!too_short.empty()) {
    add_folded_table(chapter, "Videos left out as too short", {"figure", "side", "N", "names"},
                     too_short);
  }
  add_level_histogram(chapter, result / "privacy_histogram.csv",
                      "Largest re-ID similarity to a training video", found.at("frames"));
  add_level_histogram(chapter, result / "motion_histogram.csv", "Largest similarity of movement",
                      found.at("motion"));
  if (options.neighbours > 0) add_neighbours(chapter, result, asked, options.neighbours);
  add_provenance(chapter, found);
  return chapter;
}

Chapter filter_chapter(const fs::path& result) {
  const config::Json found = read_document(result / "filter.json");
  Chapter chapter = make_chapter("Privacy filter");
  add_warnings(chapter, found);
  config::Json facts = config::Json::object();
  for (const auto& [member, value] : found.items()) {
    if (member != "warnings" && !is_provenance(member)) facts[member] = value;
  }
  add_facts(chapter, "", facts);
  if (has_file(result, "privacy_histogram.csv")) {
    add_histogram(chapter, "Largest re-ID similarity to a training frame",
                  io::read_csv(result / "privacy_histogram.csv"),
                  {"tau", found.at("tau").get<double>()});
  }
  add_provenance(chapter, found);
  return chapter;
}

}  // namespace echopath::evaluation
