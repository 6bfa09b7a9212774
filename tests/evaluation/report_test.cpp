#include "echopath/evaluation/report.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "echopath/config/options.hpp"
#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "echopath/evaluation/privacy_audit.hpp"
#include "echopath/evaluation/privacy_filter.hpp"
#include "echopath/io/video.hpp"
#include "evaluation/report_fixture.hpp"
#include "evaluation/report_page.hpp"

namespace echopath::evaluation {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

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
             "Arm,\"ACC\",\"ACC, paper's\"\nreal,0.80,134.88\nboth,,12345.6\n");
  write_file(folder_.path() / "samples/tables/tables.json",
             R"({"title":"The tables","notes":["theirs are of other data"],)"
             R"("tables":[{"title":"Table 2","file":"table.csv","theirs":[2]}]})");
  const ReportSummary summary = report("samples", {(folder_.path() / "classes").string()});
  EXPECT_THAT(summary.chapters, ElementsAre("Sampled videos of samples", "How samples was made",
                                            "The tables", "Classification: classes"));
  const config::Json& classification = data_.at("chapters")[3];
  EXPECT_THAT(classification.at("warnings")[0].get<std::string>(), HasSubstr("2 times"));
  EXPECT_EQ(classification.at("sections")[0].at("rows")[0][5], "0.75 ± 0.1 (0.5 to 0.9)");
  EXPECT_EQ(classification.at("sections")[0].at("columns")[6], "AUC");
  const config::Json& table = data_.at("chapters")[2].at("sections")[0];
  EXPECT_EQ(table.at("theirs"), config::Json::parse("[2]"));
  // The cells of a CSV are text, whatever they look like.
  EXPECT_EQ(table.at("rows"),
            config::Json::parse(R"([["real","0.80","134.88"],["both","","12345.6"]])"));
}

TEST_F(ReportTest, AnAucOfLabelsIsCalledOne) {
  const config::Json score = {{"estimate", 0.75}, {"low", 0.5}, {"high", 0.9}, {"sd", 0.0}};
  const config::Json arm = {{"arm", "real"}, {"classifiers", 1}, {"videos", 12},
                            {"patients", 6}, {"look", 1},        {"scores", {{"auc", score}}}};
  const config::Json pair = {{"arm", "both"},
                             {"against", "real"},
                             {"mcnemar", {{"p", 0.5}}},
                             {"delong", {{"p", nullptr}}},
                             {"differences", {{"accuracy", score}, {"auc", score}}}};
  const config::Json document = {{"auc_from", "labels"},
                                 {"arms", config::Json::array({arm})},
                                 {"comparisons", config::Json::array({pair})}};
  write_file(folder_.path() / "classes/classification.json", document.dump());
  report("classes");
  const std::vector<config::Json> tables = sections("table");
  ASSERT_EQ(tables.size(), 2U);
  // One classifier has no spread.
  EXPECT_EQ(cell(tables[0], 0, "AUC (hard labels)"), "0.75 (0.5 to 0.9)");
  EXPECT_TRUE(cell(tables[1], 0, "DeLong p").is_null());
  EXPECT_EQ(cell(tables[1], 0, "McNemar p"), 0.5);
  EXPECT_NO_THROW(cell(tables[1], 0, "difference of AUC (hard labels)"));
  EXPECT_THAT(data_.at("chapters")[0].at("notes")[1].get<std::string>(),
              HasSubstr("DeLong's test is of scores"));
}

TEST_F(ReportTest, ThePrivacyChapterShowsWhatItsFiguresAreReadAgainst) {
  PrivacyAudit audit;
  audit.frames.threshold = 0.95;
  audit.frames.expected_rate = 0.125;
  audit.frames.flagged_patients_by_chance = 0.25;
  audit.frames.authenticity = {0.8, 0.7, 0.9};
  audit.frames.held_out_authenticity = 0.75;
  audit.frames.held_out_coverage = 0.5;
  audit.warnings = {"only 7 VAL videos"};
  write_audit(audit, "");
  report("audit");
  const config::Json& chapter = data_.at("chapters")[0];
  EXPECT_THAT(chapter.at("notes")[1].get<std::string>(), HasSubstr("5 % (--fpr) of real videos"));
  EXPECT_EQ(chapter.at("warnings"), config::Json::parse(R"(["only 7 VAL videos"])"));
  const config::Json table = sections("table")[0];
  EXPECT_EQ(cell(table, 0, "threshold"), 0.95);
  EXPECT_EQ(cell(table, 0, "unseen real above it at most, %"), 12.5);
  EXPECT_EQ(cell(table, 0, "held-out real flagged, %"), "");
  EXPECT_EQ(cell(table, 0, "by chance at most, %"), 25.0);
  EXPECT_EQ(cell(table, 0, "authentic, %"), "80 (70 to 90)");
  EXPECT_EQ(cell(table, 0, "authentic held-out real, %"), 75.0);
  EXPECT_EQ(cell(table, 0, "covered by held-out real, %"), 50.0);
  ASSERT_EQ(sections("bars").size(), 1U);
  const config::Json mark = sections("bars")[0].at("mark");
  EXPECT_EQ(mark.at("label"), "threshold 0.95");
  EXPECT_NEAR(mark.at("place").get<double>(), 1.0, 1e-9);  // the middle of the second bin
}

TEST_F(ReportTest, NearestNeighboursAreShownAtTheFramesThatAreAlike) {
  write_samples("samples", ".avi");
  write_samples("real", ".avi");
  write_audit(PrivacyAudit(),
              "v1.avi,0.91,v2.avi,P2,0,3,1\n"
              "v0.avi,0.99,v1.avi,P1,1,2,0\n"
              "v2.avi,0.50,v0.avi,P0,0,9,0\n");  // there is no frame 9
  report("audit");
  const config::Json items = sections("pairs")[0].at("items");
  ASSERT_EQ(items.size(), 2U);
  const auto shown = [&](const char* video, std::int64_t frame) {
    return picture_address(io::read_video(folder_.path() / video, 1), frame);
  };
  EXPECT_EQ(items[0].at("left").at("image"), shown("samples/Videos/v0.avi", 2));
  EXPECT_EQ(items[0].at("right").at("image"), shown("real/Videos/v1.avi", 0));
  EXPECT_EQ(items[0].at("caption"),
            "v0.avi, frame 2 (left) and training patient P1, v1.avi, frame 0: similarity 0.99, "
            "flagged as memorised");
  EXPECT_EQ(items[1].at("left").at("image"), shown("samples/Videos/v1.avi", 3));
  EXPECT_EQ(items[1].at("right").at("image"), shown("real/Videos/v2.avi", 1));
  EXPECT_NE(shown("real/Videos/v2.avi", 0), shown("real/Videos/v2.avi", 1));
}

TEST_F(ReportTest, NearestNeighboursSayThatTheyAreOfRealPatientsUnlessSimulated) {
  const auto says_so = [&] {
    report("audit");
    const config::Json& notes = data_.at("chapters")[0].at("notes");
    const config::Json note =
        "The nearest training videos below are frames of real patients: this page is as "
        "confidential as they are.";
    return std::count(notes.begin(), notes.end(), note);
  };
  write_samples("samples", ".avi");
  write_samples("real", ".avi");
  write_audit(PrivacyAudit(), "");
  EXPECT_EQ(says_so(), 0);  // no frame is shown
  write_audit(PrivacyAudit(), "v1.avi,0.91,v2.avi,P2,0,3,1\n");
  EXPECT_EQ(says_so(), 1);
  write_file(folder_.path() / "real/phantom.csv", "");
  EXPECT_EQ(says_so(), 0);
}

TEST_F(ReportTest, TheFilterChapterMarksTauAlsoBeyondTheBins) {
  FilterSummary done;
  done.tau = 2.0;
  write_file(folder_.path() / "filtered/filter.json", done.to_json().dump());
  write_file(folder_.path() / "filtered/privacy_histogram.csv",
             "BinLow,BinHigh,held-out videos,synthetic\n0.8,0.9,3,0\n0.9,1.0,1,4\n");
  report("filtered");
  EXPECT_EQ(sections("bars")[0].at("mark").at("label"), "tau 2");
  EXPECT_EQ(sections("bars")[0].at("mark").at("place"), 1.5);
}

TEST_F(ReportTest, DistributionMetricsStandWithWhatTheirIntervalsAreOfAndTheirWarnings) {
  write_samples("samples", ".mp4");
  write_file(folder_.path() / "results/distribution.json", R"({"kind":"distribution",
      "real":"data","real_sha256":null,"real_split":"TEST","synthetic":"made","synthetic_split":"",
      "frames":16,"every":2,"compat":"stylegan-v","protocol":{"covariance_ddof":0,"jpeg":"none"},
      "warnings":["two sides"],"detectors":[{
      "detector":{"name":"in-domain","hash":"0123456789abcdef","takes":"frames"},
      "metrics":[{"metric":"FID","class":null,"value":20.5,"corrected":12.25,"interval":[10,12345.6],
      "real":{"items":90,"videos":9,"patients":8},"synthetic":{"items":80,"videos":8,"patients":8},
      "warnings":["few rows"]},{"metric":"IS","class":"ASD","value":2.5,"spread":0.125,"real":null,
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
  EXPECT_EQ(cell(table, 0, "value"), 20.5);
  EXPECT_EQ(cell(table, 0, "± sd"), "");
  EXPECT_EQ(cell(table, 0, "corrected"), 12.25);
  EXPECT_EQ(cell(table, 0, "95 % interval"), "10 to 12346");
  EXPECT_EQ(cell(table, 0, "N real"), "90 frames of 9 videos, 8 patients");
  EXPECT_EQ(cell(table, 1, "N real"), "");
  EXPECT_EQ(cell(table, 1, "N synthetic"), "40 frames of 4 videos, 4 patients");
  EXPECT_EQ(cell(table, 1, "class"), "ASD");
  EXPECT_EQ(cell(table, 1, "± sd"), 0.125);
  EXPECT_EQ(cell(table, 1, "corrected"), "");
  const config::Json& facts = chapter.at("sections")[1];
  EXPECT_EQ(facts.at("title"), "How they were computed");
  EXPECT_EQ(facts.at("rows"), config::Json::parse(R"([["real","data"],["real_split","TEST"],
      ["synthetic","made"],["frames",16],["every",2],["compat","stylegan-v"],
      ["protocol covariance_ddof",0],["protocol jpeg","none"]])"));
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
