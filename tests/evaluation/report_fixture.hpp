#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "core/temporary_directory.hpp"
#include "echopath/config/options.hpp"
#include "echopath/core/files.hpp"
#include "echopath/evaluation/privacy_audit.hpp"
#include "echopath/evaluation/report.hpp"
#include "echopath/generation/manifest.hpp"
#include "echopath/io/video.hpp"

namespace echopath::evaluation {

/// Directories to report of, and the page that was written.
class ReportTest : public ::testing::Test {
 protected:
  void write_run(const std::string& name) {
    std::string rows;
    for (int step = 10; step <= 40; step += 10) {
      rows += R"({"step":)" + std::to_string(step) + R"(,"kind":"training","loss":)" +
              std::to_string(1.0 / step) +
              R"(,"learning_rate":0.001,"step_seconds":0.5,"samples_per_second":8})" + "\n";
    }
    rows += R"({"step":40,"kind":"validation","val_loss":0.125})"
            "\n";
    rows += R"({"step":41,"kind":"train)";  // cut off
    write_file(folder_.path() / name / "metrics.jsonl", rows);
    write_file(folder_.path() / name / "config.json", R"({"note":"</script><b>"})");
  }

  void write_samples(const std::string& name, const std::string& extension, int videos = 3) {
    io::Frames frames;
    frames.count = 4;
    frames.height = frames.width = 32;
    frames.fps = 8;
    for (int i = 0; i < 4 * 32 * 32; ++i)
      frames.pixels.push_back(static_cast<std::uint8_t>(i % 251));
    std::string lines;
    for (int i = 0; i < videos; ++i) {
      generation::ManifestEntry entry;
      entry.index = i;
      entry.file = "Videos/v" + std::to_string(i) + extension;
      entry.class_name = i % 2 == 0 ? "ASD" : "PAH";
      entry.frames = 4;
      entry.height = entry.width = 32;
      entry.fps = 8;
      entry.seed = static_cast<std::uint64_t>(70 + i);
      entry.filtered = i != 1;
      entry.weight_hashes = {{"lidm", "abc123"}};
      io::write_video(folder_.path() / name / entry.file, frames);
      lines += entry.to_json().dump() + "\n";
    }
    write_file(folder_.path() / name / "manifest.jsonl", lines);
  }

  /// What an audit of samples/ against real/ leaves in audit/.
  void write_audit(const PrivacyAudit& audit, const std::string& neighbours) {
    config::Json document = audit.to_json();
    document["options"] = {{"real", (folder_.path() / "real").string()},
                           {"synthetic", (folder_.path() / "samples").string()},
                           {"calibration_split", "VAL"},
                           {"false_positive_rate", 0.05}};
    write_file(folder_.path() / "audit/privacy.json", document.dump());
    write_file(folder_.path() / "audit/privacy_audit.csv",
               "FileName,FrameSimilarity,FrameNearest,FramePatient,FrameFlagged,FrameAt,"
               "FrameNearestAt\n" +
                   neighbours);
    write_file(folder_.path() / "audit/privacy_histogram.csv",
               "BinLow,BinHigh,held-out real,synthetic\n0.8,0.9,3,0\n0.9,1.0,1,4\n");
  }

  ReportSummary report(const std::string& name, const std::vector<std::string>& with = {}) {
    ReportOptions options;
    options.directory = (folder_.path() / name).string();
    options.with = with;
    const ReportSummary summary = write_report(options);
    html_ = read_file(summary.page);
    const std::string begin = "id=\"page-data\">";
    const std::size_t first = html_.find(begin) + begin.size();
    data_ = config::Json::parse(html_.substr(first, html_.find("</script>", first) - first));
    return summary;
  }
  /// All sections of a kind.
  std::vector<config::Json> sections(const std::string& type) const {
    std::vector<config::Json> found;
    for (const config::Json& chapter : data_.at("chapters")) {
      for (const config::Json& section : chapter.at("sections")) {
        if (section.at("type") == type) found.push_back(section);
      }
    }
    return found;
  }

  TemporaryDirectory folder_;
  std::string html_;
  config::Json data_;
};

/// The cell of a table's row in the column of a name.
inline config::Json cell(const config::Json& table, std::size_t row, const std::string& column) {
  const auto names = table.at("columns").get<std::vector<std::string>>();
  const auto place = std::find(names.begin(), names.end(), column) - names.begin();
  return table.at("rows").at(row).at(static_cast<std::size_t>(place));
}

}  // namespace echopath::evaluation
