#include <algorithm>
#include <cmath>
#include <iomanip>
#include <sstream>

#include "echopath/core/files.hpp"
#include "echopath/core/text.hpp"
#include "echopath/evaluation/class_figures.hpp"
#include "echopath/evaluation/distribution.hpp"

namespace echopath::evaluation {
namespace {

using config::Json;

Json json_of(const SideCount& count) {
  return {{"items", count.items}, {"videos", count.videos}, {"patients", count.patients}};
}

Json json_of(const std::vector<SkippedVideo>& skipped) {
  Json list = Json::array();
  for (const SkippedVideo& video : skipped) {
    list.push_back({{"name", video.name}, {"reason", video.reason}});
  }
  return list;
}

Json json_of(const DistributionRow& row) {
  const MetricValue& metric = row.metric;
  Json json = {{"metric", metric.metric},
               {"class", row.class_name.empty() ? Json(nullptr) : Json(row.class_name)},
               {"value", number_or_null(metric.estimate.value)}};
  if (metric.spread) json["spread"] = number_or_null(*metric.spread);
  if (metric.estimate.has_interval) {
    if (metric.corrected) json["corrected"] = number_or_null(metric.estimate.corrected);
    json["standard_error"] = number_or_null(metric.estimate.deviation);
    json["interval"] = {number_or_null(metric.estimate.low), number_or_null(metric.estimate.high)};
  }
  json["real"] = row.real ? json_of(*row.real) : Json(nullptr);
  json["synthetic"] = json_of(row.synthetic);
  json["warnings"] = metric.warnings;
  return json;
}

Json json_of(const DetectorDescription& detector) {
  return {{"name", detector.name},
          {"hash", detector.hash},
          {"preprocessing", detector.preprocessing},
          {"takes", detector.takes_clips ? "clips" : "frames"},
          {"width", detector.width}};
}

std::string figure(double value) {
  if (std::isnan(value)) return "nan";
  std::ostringstream text;
  text << std::setprecision(5) << value;
  return text.str();
}

std::string counts(const SideCount& count) {
  return std::to_string(count.items) + "/" + std::to_string(count.videos) + "/" +
         std::to_string(count.patients);
}

std::vector<std::string> cells(const DistributionRow& row) {
  const Estimate& estimate = row.metric.estimate;
  const bool has = estimate.has_interval;
  return {row.metric.metric,
          row.class_name.empty() ? "all" : row.class_name,
          figure(estimate.value) + (row.metric.spread ? " ± " + figure(*row.metric.spread) : ""),
          has && row.metric.corrected ? figure(estimate.corrected) : "-",
          has ? "[" + figure(estimate.low) + ", " + figure(estimate.high) + "]" : "-",
          row.real ? counts(*row.real) : "-",
          counts(row.synthetic)};
}

/// Characters of UTF-8 text.
std::size_t length(const std::string& text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

std::string aligned(const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths(rows.front().size(), 0);
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], length(row[i]));
  }
  std::string text;
  for (const auto& row : rows) {
    std::string line = " ";
    for (std::size_t i = 0; i < row.size(); ++i) {
      line += " " + row[i] + std::string(widths[i] - length(row[i]) + 1, ' ');
    }
    text += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
  }
  return text;
}

/// Each warning once for a class, with the metrics that it is of.
std::string warning_lines(const std::vector<DistributionRow>& rows) {
  std::vector<std::pair<std::string, std::string>> lines;  // metrics, and the rest of the line
  for (const DistributionRow& row : rows) {
    for (const std::string& warning : row.metric.warnings) {
      const std::string rest =
          " of " + (row.class_name.empty() ? "all" : row.class_name) + ": " + warning + "\n";
      const auto same = std::find_if(lines.begin(), lines.end(),
                                     [&](const auto& line) { return line.second == rest; });
      if (same == lines.end()) {
        lines.emplace_back(row.metric.metric, rest);
      } else {
        same->first += ", " + row.metric.metric;
      }
    }
  }
  std::string text;
  for (const auto& [metrics, rest] : lines) text += "  " + metrics + rest;
  return text;
}

/// What of the videos the features are of, beyond what the detector's name says.
std::string seen(const DetectorDescription& detector, const DistributionOptions& options) {
  if (!options.synthetic_features.empty()) return "";  // the files do not say
  std::string text;
  if (detector.takes_clips) text += ", clips of " + std::to_string(options.frames) + " frames";
  if (!detector.takes_clips && options.every > 1) {
    text += ", one of " + std::to_string(options.every) + " frames";
  }
  if (options.fps > 0.0) text += ", at " + figure(options.fps) + " frames per second";
  return text;
}

std::string heading(const DetectorDescription& detector, const DistributionOptions& options) {
  std::string text =
      detector.name + ": " + std::to_string(detector.width) + " features" + seen(detector, options);
  if (!detector.preprocessing.empty()) text += ", " + detector.preprocessing;
  if (!detector.hash.empty()) text += ", SHA-256 " + detector.hash.substr(0, 12);
  return text + "\n";
}

/// Whose protocol the figures follow, and how far.
std::string as_which_tool(const std::vector<DetectorResults>& detectors,
                          const DistributionOptions& options) {
  if (options.compat == "echopath") return "";
  const std::string text = "Computed as " + options.compat + " does (--compat)";
  if (!options.synthetic_features.empty()) {
    return text + " from features that were given; how they came from videos is not told.\n";
  }
  std::vector<std::string> others;
  for (const DetectorResults& one : detectors) {
    if (one.detector.preprocessing.empty()) others.push_back("'" + one.detector.name + "'");
  }
  if (others.empty()) return text + ".\n";
  return text + ", but for the resize of frames, which is the detector's own with " +
         join(others, " and ") + ".\n";
}

}  // namespace

Json DistributionReport::to_json(const DistributionOptions& options) const {
  DistributionOptions given = options;
  Json results = Json::array();
  for (const DetectorResults& one : detectors) {
    Json rows = Json::array();
    for (const DistributionRow& row : one.rows) rows.push_back(json_of(row));
    results.push_back({{"detector", json_of(one.detector)},
                       {"metrics", rows},
                       {"left_out_real", json_of(one.skipped_real)},
                       {"left_out_synthetic", json_of(one.skipped_synthetic)}});
  }
  const auto path = [](const fs::path& folder, const fs::path& file) {
    const fs::path& one = folder.empty() ? file : folder;
    return one.empty() ? Json(nullptr) : Json(one.string());
  };
  const auto hash = [](const std::string& text) {
    return text.empty() ? Json(nullptr) : Json(text);
  };
  return {{"kind", "distribution"},
          {"real", path(options.real, options.real_features)},
          {"real_sha256", hash(real_sha256)},
          {"real_split", options.real_split},
          {"synthetic", path(options.synthetic, options.synthetic_features)},
          {"synthetic_sha256", hash(synthetic_sha256)},
          {"synthetic_split", options.synthetic_split},
          {"frames", options.frames},
          {"every", options.every},
          {"fps", options.fps},
          {"compat", options.compat},
          {"protocol", config::dump(config::visit_of(given.protocol))},
          {"interval",
           {{"method",
             "delete-a-group jackknife over patients; of precision, recall, density and coverage "
             "from random halves of the patients"},
            {"folds", options.intervals.folds},
            {"coverage", options.intervals.coverage},
            {"seed", options.intervals.seed}}},
          {"detectors", results},
          {"warnings", warnings}};
}

std::string DistributionReport::to_text(const DistributionOptions& options) const {
  std::string text;
  for (const DetectorResults& one : detectors) {
    text += (text.empty() ? "" : "\n") + heading(one.detector, options);
    std::vector<std::vector<std::string>> rows = {
        {"metric", "class", "value", "corrected", "interval", "N real", "N synthetic"}};
    for (const DistributionRow& row : one.rows) rows.push_back(cells(row));
    text += aligned(rows);
    text += warning_lines(one.rows);
    for (const auto& [side, skipped] :
         {std::pair("real", &one.skipped_real), std::pair("synthetic", &one.skipped_synthetic)}) {
      if (skipped->empty()) continue;
      text += "  left out: " + std::to_string(skipped->size()) + " " + side +
              " videos, the first '" + skipped->front().name + "', which " +
              skipped->front().reason + "\n";
    }
  }
  return text + as_which_tool(detectors, options) +
         "N: items/videos/patients. Interval: over patients, around the corrected figure where "
         "there is one.\n";
}

}  // namespace echopath::evaluation
