// What the chapters of evaluations say of what their figures depend on.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "echopath/config/options.hpp"
#include "echopath/core/files.hpp"
#include "echopath/evaluation/privacy_audit.hpp"
#include "echopath/evaluation/privacy_filter.hpp"
#include "evaluation/report_fixture.hpp"

namespace echopath::evaluation {
namespace {

using ::testing::HasSubstr;

class ReportResultsTest : public ReportTest {
 protected:
  /// An audit of 20 samples, at both levels.
  PrivacyAudit audit() const {
    PrivacyAudit found;
    found.synthetic = 20;
    found.frames.calibrating = 11;
    found.frames.membership.members = 30;
    found.frames.membership.non_members = 24;
    found.motion.emplace();
    found.motion->calibrating = 9;
    found.motion->membership.members = 29;
    found.motion->membership.non_members = 22;
    found.short_videos = {"a.avi", "b.avi"};
    found.denoising["lidm"].members = 8;
    return found;
  }
  /// The page of an audit whose document has these members too, or instead.
  void report_audit(const PrivacyAudit& found, const config::Json& members) {
    write_audit(found, "");
    const fs::path path = folder_.path() / "audit/privacy.json";
    config::Json document = config::read_json(path.string());
    document.merge_patch(members);
    write_file(path, document.dump());
    report("audit");
  }
  /// The only section of a kind that is called so.
  config::Json section(const std::string& type, const std::string& name) const {
    std::vector<config::Json> found;
    for (const config::Json& one : sections(type)) {
      if (one.at(type == "details" ? "summary" : "title") == name) found.push_back(one);
    }
    EXPECT_EQ(found.size(), 1U) << name;
    return found.empty() ? config::Json::object() : found.front();
  }
  config::Json provenance() const {
    const config::Json details = section("details", "options and SHA-256 of the networks");
    return config::Json::parse(details.at("text").get<std::string>());
  }
};

TEST_F(ReportResultsTest, AnAuditShowsTheCountsOfBothLevels) {
  report_audit(audit(), config::Json::object());
  const config::Json table = section("table", "Memorisation");
  EXPECT_EQ(cell(table, 0, "level"), "frames");
  EXPECT_EQ(cell(table, 0, "N synthetic"), 20);
  EXPECT_EQ(cell(table, 0, "N training"), 30);
  EXPECT_EQ(cell(table, 0, "N held-out"), 24);
  EXPECT_EQ(cell(table, 0, "N calibrating"), 11);
  EXPECT_EQ(cell(table, 1, "level"), "motion");
  EXPECT_EQ(cell(table, 1, "N synthetic"), 18);
  EXPECT_EQ(cell(table, 1, "N training"), 29);
  EXPECT_EQ(cell(table, 1, "N held-out"), 22);
  EXPECT_EQ(cell(table, 1, "N calibrating"), 9);
}

TEST_F(ReportResultsTest, AnAuditShowsItsOptionsSeedAndHashes) {
  report_audit(audit(), {{"seed", 7}, {"reid_sha256", "0123"}, {"vae_sha256", "4567"}});
  const config::Json shown = provenance();
  EXPECT_EQ(shown.size(), 4U);
  EXPECT_EQ(shown.at("options").at("calibration_split"), "VAL");
  EXPECT_EQ(shown.at("options").at("real"), (folder_.path() / "real").string());
  EXPECT_EQ(shown.at("seed"), 7);
  EXPECT_EQ(shown.at("reid_sha256"), "0123");
  EXPECT_EQ(shown.at("vae_sha256"), "4567");
}

TEST_F(ReportResultsTest, AnAuditNamesTheVideosThatAreTooShort) {
  report_audit(audit(), config::Json::parse(R"({
      "short_training_videos":["t.avi"],"short_held_out_videos":[],
      "denoising_short_videos":{"lvdm":{"members":["t.avi"],"others":["h.avi","i.avi"]}}})"));
  const config::Json table = section("table", "Videos left out as too short");
  EXPECT_EQ(table.at("folded"), true);
  EXPECT_EQ(table.at("columns"), (config::Json{"figure", "side", "N", "names"}));
  EXPECT_EQ(table.at("rows"), config::Json::parse(R"([
      ["motion","synthetic",2,"a.avi, b.avi"],
      ["motion","training",1,"t.avi"],
      ["denoising loss of the lvdm","training",1,"t.avi"],
      ["denoising loss of the lvdm","held-out",2,"h.avi, i.avi"]])"));
}

TEST_F(ReportResultsTest, WhatAnAttackFindsStandsBesideWhatChanceFinds) {
  report_audit(audit(), config::Json::parse(R"({
      "frames":{"membership_by_similarity":{"chance_true_positive_rate":0.0625}},
      "motion":{"membership_by_similarity":{"chance_true_positive_rate":0.125}},
      "membership_by_denoising":{"lidm":{"chance_true_positive_rate":null}}})"));
  const config::Json table = section("table", "Membership inference");
  EXPECT_EQ(table.at("columns"), (config::Json{"attack", "AUC", "found, %", "found by chance, %",
                                               "at false alarms, %", "members", "others"}));
  EXPECT_EQ(cell(table, 0, "found by chance, %"), 6.25);
  EXPECT_EQ(cell(table, 1, "found by chance, %"), 12.5);
  // merge_patch() has removed it: an older audit.
  EXPECT_EQ(cell(table, 2, "attack"), "denoising loss of the lidm");
  EXPECT_EQ(cell(table, 2, "found by chance, %"), "");
  EXPECT_EQ(cell(table, 2, "members"), 8);
}

TEST_F(ReportResultsTest, ARateWithoutBoundsSaysSo) {
  PrivacyAudit found = audit();
  found.frames.membership.true_positive_rate = {0.125, std::nan(""), std::nan("")};
  found.motion->membership.true_positive_rate = {0.5, 0.25, 0.75};
  report_audit(found, config::Json::object());
  const config::Json table = section("table", "Membership inference");
  EXPECT_EQ(cell(table, 0, "found, %"), "12.5 (no interval)");
  EXPECT_EQ(cell(table, 1, "found, %"), "50 (25 to 75)");
}

TEST_F(ReportResultsTest, AnAuditOfLongVideosNamesNone) {
  PrivacyAudit found = audit();
  found.short_videos.clear();
  report_audit(found, {{"short_training_videos", nullptr},
                       {"short_held_out_videos", nullptr},
                       {"denoising_short_videos", nullptr}});
  EXPECT_EQ(sections("table").size(), 2U);
  EXPECT_EQ(cell(section("table", "Memorisation"), 1, "N synthetic"), 20);
}

TEST_F(ReportResultsTest, AFilterShowsItsWarningsItsOptionsAndItsHashes) {
  FilterSummary done;
  done.judged = 12;
  done.kept = 9;
  config::Json document = done.to_json();
  document["warnings"] = {"few held-out videos", "two sides are one"};
  document["options"] =
      config::Json::parse(R"({"frames":8,"compatibility":{"privacy_split":"VAL"}})");
  document["reid_sha256"] = "0123";
  write_file(folder_.path() / "filtered/filter.json", document.dump());
  report("filtered");
  EXPECT_EQ(data_.at("chapters")[0].at("warnings"),
            (config::Json{"few held-out videos", "two sides are one"}));
  EXPECT_EQ(provenance(),
            (config::Json{{"options", document["options"]}, {"reid_sha256", "0123"}}));
  const std::string facts = section("table", "").at("rows").dump();
  EXPECT_THAT(facts, HasSubstr(R"(["judged",12],["kept",9])"));
  for (const char* elsewhere : {"warnings", "options", "reid_sha256"}) {
    EXPECT_EQ(facts.find(elsewhere), std::string::npos) << elsewhere;
  }
}

TEST_F(ReportResultsTest, AFilterWithoutWarningsHasNone) {
  config::Json document = FilterSummary().to_json();
  document.erase("warnings");
  write_file(folder_.path() / "filtered/filter.json", document.dump());
  report("filtered");
  EXPECT_EQ(data_.at("chapters")[0].at("warnings"), config::Json::array());
  EXPECT_TRUE(sections("details").empty());
}

/// A document of `echopath eval classification`, of one arm.
config::Json classification(const std::string& split) {
  return {{"dataset", "hearts"},
          {"split", split},
          {"looks", nullptr},
          {"auc_from", "scores"},
          {"bootstrap", {{"resamples", 500}, {"coverage", 0.9}, {"seed", 7}}},
          {"classes", {"Non-ASD", "ASD"}},
          {"arms", config::Json::parse(R"([{"arm":"real","classifiers":2,"videos":12,"patients":6,
              "look":0,"scores":{"auc":{"estimate":0.75},
              "calibration_error":{"estimate":0.25,"low":null,"high":null}},
              "calibration_error_if_calibrated":0.125,"sources":[
              {"source":"models/a:classifier_asd","sha256":"0123"},
              {"source":"b.csv","sha256":"4567"}]}])")},
          {"comparisons", config::Json::array()}};
}

TEST_F(ReportResultsTest, AClassificationSaysOfWhichVideosItIsAndHowItWasComputed) {
  write_file(folder_.path() / "classes/classification.json", classification("VAL").dump());
  report("classes");
  EXPECT_EQ(data_.at("chapters")[0].at("notes")[0], "Judged on the VAL videos of hearts.");
  EXPECT_EQ(section("table", "How they were computed").at("rows"), config::Json::parse(R"([
      ["dataset","hearts"],["split","VAL"],["bootstrap resamples",500],["bootstrap coverage",0.9],
      ["bootstrap seed",7],["classes","[\"Non-ASD\",\"ASD\"]"]])"));
  const config::Json sources = section("table", "SHA-256 of the classifiers");
  EXPECT_EQ(sources.at("folded"), true);
  EXPECT_EQ(sources.at("rows"), config::Json::parse(R"([
      ["real","models/a:classifier_asd","0123"],["real","b.csv","4567"]])"));
}

TEST_F(ReportResultsTest, ACalibrationErrorStandsBesideThatOfACalibratedClassifier) {
  write_file(folder_.path() / "classes/classification.json", classification("VAL").dump());
  report("classes");
  const config::Json table = sections("table")[0];
  EXPECT_EQ(cell(table, 0, "calibration_error"), "0.25 (no interval)");
  EXPECT_EQ(cell(table, 0, "calibration_error if calibrated"), 0.125);
}

TEST_F(ReportResultsTest, AClassificationOfAllSplitsSaysSo) {
  write_file(folder_.path() / "classes/classification.json", classification("").dump());
  report("classes");
  EXPECT_EQ(data_.at("chapters")[0].at("notes")[0], "Judged on all videos of hearts.");
}

}  // namespace
}  // namespace echopath::evaluation
