#include "echopath/evaluation/report.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/temporary_directory.hpp"
#include "echopath/config/options.hpp"
#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "echopath/generation/manifest.hpp"
#include "echopath/io/csv.hpp"
#include "echopath/io/video.hpp"
#include "evaluation/report_page.hpp"

namespace echopath::evaluation {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

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

TEST_F(ReportTest, OfARunShowsItsCurvesAndItsConfiguration) {
  write_run("run");
  EXPECT_THAT(report("run").chapters, ElementsAre("Training of run"));
  const std::vector<config::Json> lines = sections("lines");
  ASSERT_FALSE(lines.empty());
  EXPECT_EQ(lines[0].at("title"), "val_loss");
  EXPECT_EQ(lines[0].at("series")[0].at("points"), config::Json::parse("[[40,0.125]]"));
  EXPECT_EQ(lines[0].at("series")[1].at("points").size(), 4U);
  EXPECT_EQ(lines[0].at("series")[1].at("points")[1][1], 0.05);
  EXPECT_THAT(sections("details")[0].at("text").get<std::string>(), HasSubstr("</script><b>"));
}

TEST_F(ReportTest, NeedsNothingElse) {
  write_run("run");
  report("run");
  EXPECT_THAT(html_, HasSubstr("Chart.js v"));
  EXPECT_THAT(html_, Not(HasSubstr("src=\"http")));
  EXPECT_THAT(html_, Not(HasSubstr("href=\"http")));
  // A text of the data cannot end the script.
  EXPECT_THAT(html_, Not(HasSubstr("</script><b>")));
}

TEST_F(ReportTest, OfSamplesShowsVideosByClassWithHashes) {
  write_samples("samples", ".mp4");
  report("samples");
  const std::vector<config::Json> galleries = sections("gallery");
  ASSERT_EQ(galleries.size(), 2U);
  EXPECT_EQ(galleries[0].at("title"), "ASD (2 videos)");
  EXPECT_EQ(galleries[0].at("items").size(), 2U);
  EXPECT_THAT(galleries[1].at("items")[0].at("caption").get<std::string>(),
              HasSubstr("did not pass the privacy gate"));
  const std::string address = galleries[0].at("items")[0].at("video");
  EXPECT_EQ(address,
            data_address("video/mp4", read_file(folder_.path() / "samples/Videos/v0.mp4")));
  EXPECT_THAT(data_.dump(), HasSubstr("abc123"));
}

TEST_F(ReportTest, LosslessVideosAreEncodedForBrowsers) {
  write_samples("samples", ".avi", 1);
  report("samples");
  const std::string address = sections("gallery")[0].at("items")[0].at("video");
  EXPECT_TRUE(address.starts_with("data:video/mp4;base64,AAAA")) << address.substr(0, 40);
}

TEST_F(ReportTest, OfAFolderOfRunsComparesThem) {
  write_run("runs/a");
  write_run("runs/b");
  write_samples("runs/c", ".mp4");
  EXPECT_THAT(report("runs").chapters,
              ElementsAre("Runs compared", "Samples compared", "One video of each class"));
  const config::Json curve = sections("lines")[0];
  EXPECT_EQ(curve.at("series")[0].at("name"), "a");
  EXPECT_EQ(curve.at("series")[1].at("name"), "b");
}

TEST_F(ReportTest, ShowsResultsOfEvaluations) {
  write_samples("samples", ".mp4");
  const config::Json score = {{"estimate", 0.75}, {"low", 0.5}, {"high", 0.9}, {"sd", 0.1}};
  const config::Json arm = {{"arm", "real"}, {"classifiers", 2},
                            {"videos", 12},  {"patients", 6},
                            {"look", 2},     {"scores", {{"accuracy", score}, {"auc", score}}}};
  write_file(
      folder_.path() / "classes/classification.json",
      config::Json{{"arms", config::Json::array({arm})}, {"comparisons", config::Json::array()}}
          .dump());
  write_file(folder_.path() / "samples/tables/table.csv",
             "Arm,\"ACC\",\"ACC, paper's\"\nreal,0.5,0.8\n");
  write_file(folder_.path() / "samples/tables/tables.json",
             R"({"title":"The tables","notes":["theirs are of other data"],)"
             R"("tables":[{"title":"Table 2","file":"table.csv","theirs":[2]}]})");
  const ReportSummary summary = report("samples", {(folder_.path() / "classes").string()});
  EXPECT_THAT(summary.chapters, ElementsAre("Sampled videos", "How samples was made", "The tables",
                                            "Classification: classes"));
  const config::Json& classification = data_.at("chapters")[3];
  EXPECT_THAT(classification.at("warnings")[0].get<std::string>(), HasSubstr("2 times"));
  EXPECT_EQ(classification.at("sections")[0].at("rows")[0][5], "0.75 (0.5 to 0.9)");
  EXPECT_EQ(data_.at("chapters")[2].at("sections")[0].at("theirs"), config::Json::parse("[2]"));
}

TEST_F(ReportTest, DistributionMetricsStandWithWhatTheirIntervalsAreOfAndTheirWarnings) {
  write_samples("samples", ".mp4");
  write_file(folder_.path() / "results/distribution.json", R"({"kind":"distribution",
      "warnings":["two sides"],"detectors":[{"detector":{"name":"in-domain","hash":"0123456789abcdef"},
      "metrics":[{"metric":"FID","class":null,"value":20.5,"corrected":12.25,"interval":[10,14.5],
      "real":{"items":90,"videos":9,"patients":8},"synthetic":{"items":80,"videos":8,"patients":8},
      "warnings":["few rows"]},{"metric":"IS","class":"ASD","value":2.5,"real":null,
      "synthetic":{"items":40,"videos":4,"patients":4},"warnings":[]}],
      "left_out_real":[{"name":"short.avi","reason":"3 frames"}],"left_out_synthetic":[]}]})");
  report("samples", {(folder_.path() / "results").string()});
  const config::Json& chapter = data_.at("chapters")[2];
  EXPECT_EQ(chapter.at("title"), "Distribution metrics: distribution");
  EXPECT_EQ(chapter.at("warnings"),
            (config::Json{"two sides", "FID of all: few rows",
                          "1 real videos were left out, the first: short.avi, 3 frames"}));
  const config::Json& table = chapter.at("sections")[0];
  EXPECT_EQ(table.at("title"), "in-domain 0123456789ab");
  EXPECT_EQ(table.at("columns")[3], "corrected");
  const config::Json& fid = table.at("rows")[0];
  EXPECT_EQ(fid[2], 20.5);
  EXPECT_EQ(fid[3], 12.25);
  EXPECT_EQ(fid[4], "10 to 14.5");
  const config::Json& score = table.at("rows")[1];
  EXPECT_EQ(score[1], "ASD");
  EXPECT_EQ(score[3], "");
}

TEST_F(ReportTest, ADirectoryWithNothingToShowIsTold) {
  fs::create_directories(folder_.path() / "empty");
  try {
    report("empty");
    FAIL() << "accepted";
  } catch (const DataError& error) {
    EXPECT_THAT(error.what(), HasSubstr("no samples (manifest.jsonl)"));
  }
  write_run("run");
  EXPECT_THROW(report("run", {(folder_.path() / "empty").string()}), DataError);
}

TEST(DataAddress, IsBase64) {
  EXPECT_EQ(data_address("text/plain", "Man"), "data:text/plain;base64,TWFu");
  EXPECT_EQ(data_address("text/plain", "Ma"), "data:text/plain;base64,TWE=");
  EXPECT_EQ(data_address("text/plain", "M"), "data:text/plain;base64,TQ==");
  EXPECT_EQ(data_address("text/plain", "\xff\xfe\xfd\x00"), "data:text/plain;base64,//79");
}

}  // namespace
}  // namespace echopath::evaluation
