// Several directories on one page: those of --with, and those of a comparison.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "echopath/config/options.hpp"
#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "evaluation/report_fixture.hpp"

namespace echopath::evaluation {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

class ReportContentsTest : public ReportTest {
 protected:
  std::string path_of(const std::string& name) const { return (folder_.path() / name).string(); }
  void write_config(const std::string& name, const std::string& json) {
    write_file(folder_.path() / name / "config.json", json);
  }
  void write_tables(const std::string& name) {
    write_file(folder_.path() / name / "tables.json", R"({"title":"The tables","tables":[]})");
  }
  /// The only section whose title, or summary, begins so.
  config::Json section(const std::string& chapter, const std::string& beginning) const {
    std::vector<config::Json> found;
    for (const config::Json& one : data_.at("chapters")) {
      for (const config::Json& part : one.at("sections")) {
        const std::string key = part.at("type") == "details" ? "summary" : "title";
        const bool is_named = part.at(key).get<std::string>().starts_with(beginning);
        if (one.at("title") == chapter && is_named) found.push_back(part);
      }
    }
    EXPECT_EQ(found.size(), 1U) << chapter << ": " << beginning;
    return found.empty() ? config::Json(nullptr) : found.front();
  }
  std::string error_of(const std::string& name, const std::vector<std::string>& with) {
    try {
      report(name, with);
    } catch (const DataError& error) {
      return error.what();
    }
    return "";
  }
};

TEST_F(ReportContentsTest, RunsAndSamplesAreShownBesideResultsUnderTheirNames) {
  write_samples("w5", ".mp4");
  write_samples("w1", ".mp4", 1);
  write_run("lidm");
  write_tables("tables");
  const ReportSummary summary = report("w5", {path_of("tables"), path_of("w1"), path_of("lidm")});
  EXPECT_THAT(summary.chapters,
              ElementsAre("Sampled videos of w5", "How w5 was made", "The tables",
                          "Sampled videos of w1", "How w1 was made", "Training of lidm"));
  EXPECT_EQ(section("Sampled videos of w5", "ASD").at("title"), "ASD (2 videos)");
  EXPECT_EQ(section("Sampled videos of w1", "ASD").at("items").size(), 1U);
  EXPECT_EQ(section("Training of lidm", "val_loss").at("series")[0].at("points"),
            config::Json::parse("[[40,0.125]]"));
}

TEST_F(ReportContentsTest, TheLimitOfVideosIsOfEachSampling) {
  write_samples("w5", ".mp4", 6);
  write_samples("w1", ".mp4", 6);
  ReportOptions options;
  options.directory = path_of("w5");
  options.with = {path_of("w1")};
  options.videos_per_class = 2;
  write_report(options);
  const std::string page = read_file(folder_.path() / "w5/report.html");
  std::size_t videos = 0;
  for (std::size_t place = page.find("data:video/"); place != std::string::npos;
       place = page.find("data:video/", place + 1)) {
    ++videos;
  }
  EXPECT_EQ(videos, 8U);  // two samplings of two classes
}

TEST_F(ReportContentsTest, DirectoriesOfOneNameAreToldApartByThoseAround) {
  write_samples("samples", ".mp4");
  write_run("asd/real_1/run");
  write_run("pah/real_1/run");
  const ReportSummary summary =
      report("samples", {path_of("asd/real_1/run"), path_of("pah/real_1/run/")});
  EXPECT_THAT(summary.chapters,
              ElementsAre("Sampled videos of samples", "How samples was made",
                          "Training of asd/real_1/run", "Training of pah/real_1/run"));
}

TEST_F(ReportContentsTest, ChaptersOfOneTitleAreToldApartByTheirDirectories) {
  write_samples("samples", ".mp4");
  write_tables("samples/own");
  write_tables("first");
  write_tables("second");
  const ReportSummary summary = report("samples", {path_of("first"), path_of("second")});
  EXPECT_THAT(summary.chapters,
              ElementsAre("Sampled videos of samples", "How samples was made", "The tables (own)",
                          "The tables (first)", "The tables (second)"));
}

TEST_F(ReportContentsTest, WhatIsNamedTwiceIsShownOnce) {
  write_run("run");
  write_tables("run/tables");
  const ReportSummary summary =
      report("run", {path_of("run/tables"), path_of("run/./"), path_of("run/tables")});
  EXPECT_THAT(summary.chapters, ElementsAre("Training of run", "The tables"));
}

TEST_F(ReportContentsTest, AFolderThatIsNeitherRunNorSamplesNorResultsIsRefused) {
  write_run("run");
  fs::create_directories(folder_.path() / "empty");
  EXPECT_THAT(error_of("run", {path_of("empty")}),
              AllOf(HasSubstr("--with '" + path_of("empty") + "' holds no training run"),
                    HasSubstr("no samples (manifest.jsonl)"), HasSubstr("`echopath eval`"),
                    Not(HasSubstr("name a folder in it"))));
  write_tables("results/tables");
  EXPECT_THAT(error_of("run", {path_of("results")}),
              HasSubstr("name a folder in it: '" + path_of("results/tables") + "'"));
}

TEST_F(ReportContentsTest, AComparisonShowsWhichOptionsDiffer) {
  for (const char* name : {"runs/a", "runs/b", "runs/c"}) write_run(name);
  write_config("runs/a", R"({"training":{"steps":10,"seed":1,"ema":true},"note":""})");
  write_config("runs/b", R"({"training":{"steps":10,"seed":2.5},"note":"two"})");
  fs::remove(folder_.path() / "runs/c/config.json");
  report("runs");
  const config::Json table = section("Runs compared", "Options that differ: 3");
  EXPECT_EQ(table.at("columns"), (config::Json{"option", "a", "b"}));
  EXPECT_EQ(table.at("rows"), config::Json::parse(R"([["training.seed","1","2.5"],
      ["training.ema","true",""],["note","\"\"","two"]])"));
  EXPECT_FALSE(table.at("folded").get<bool>());
}

TEST_F(ReportContentsTest, ManyDifferingOptionsAreFoldedAwayAndNoneIsSaid) {
  write_run("runs/a");
  write_run("runs/b");
  report("runs");
  EXPECT_EQ(data_.at("chapters")[0].at("notes"),
            config::Json::parse(R"(["No option differs between them."])"));
  config::Json many = config::Json::object();
  for (int i = 0; i < 21; ++i) many["option_" + std::to_string(i)] = i;
  write_config("runs/a", many.dump());
  write_config("runs/b", "{}");
  report("runs");
  EXPECT_TRUE(section("Runs compared", "Options that differ: 21").at("folded").get<bool>());
}

TEST_F(ReportContentsTest, AComparisonHoldsConfigurationsAndHashes) {
  write_run("runs/a");
  write_run("runs/b");
  write_config("runs/b", "no JSON");
  write_file(folder_.path() / "runs/a/checkpoints/step-00000040/DONE",
             R"({"weights.safetensors":"0123"})");
  write_samples("runs/w1", ".mp4");
  report("runs");
  const auto document = [&](const std::string& chapter, const std::string& name) {
    return config::Json::parse(
        section(chapter, "configuration and hashes of " + name).at("text").get<std::string>());
  };
  const config::Json run = document("Runs compared", "a");
  EXPECT_EQ(run.at("configuration"), config::Json::parse(R"({"note":"</script><b>"})"));
  EXPECT_EQ(run.at("sha256").at("checkpoint of step"), 40);
  EXPECT_EQ(run.at("sha256").at("files").at("weights.safetensors"), "0123");
  EXPECT_EQ(document("Runs compared", "b").at("configuration"), "no JSON");
  EXPECT_EQ(document("Samples compared", "w1").at("sha256").at("lidm"), "abc123");
}

TEST_F(ReportContentsTest, HashesOfSampledWeightsAreComparedByTheirBeginnings) {
  write_samples("runs/w1", ".mp4");
  write_samples("runs/w5", ".mp4");
  write_config("runs/w1", R"({"weight_hashes":{"lidm":"0123456789abcdef","vae":"77"}})");
  write_config("runs/w5", R"({"weight_hashes":{"lidm":"fedcba9876543210","vae":"77"}})");
  report("runs");
  EXPECT_EQ(section("Samples compared", "Options that differ").at("rows"),
            config::Json::parse(R"([["weight_hashes.lidm","0123456789ab","fedcba987654"]])"));
}

TEST_F(ReportContentsTest, AComparisonShowsTheResultsInItsFolders) {
  write_run("runs/a");
  write_run("runs/b");
  write_tables("runs/a/tables");
  write_tables("runs/tables");
  const ReportSummary summary = report("runs");
  EXPECT_THAT(summary.chapters,
              ElementsAre("Runs compared", "The tables", "The tables (a/tables)"));
}

TEST_F(ReportContentsTest, ARunShowsTheHashesOfItsNewestCheckpoint) {
  write_run("run");
  write_file(folder_.path() / "run/checkpoints/step-00000020/DONE",
             R"({"weights.safetensors":"0123"})");
  fs::create_directories(folder_.path() / "run/checkpoints/step-00000040");
  report("run");
  EXPECT_EQ(section("Training of run", "SHA-256 of the checkpoint of step 20").at("rows"),
            config::Json::parse(R"([["weights.safetensors","0123"]])"));
}

}  // namespace
}  // namespace echopath::evaluation
