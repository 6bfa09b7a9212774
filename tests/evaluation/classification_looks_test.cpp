// When `eval classification` counts looks at TEST, and what it leaves behind.
#include <gtest/gtest.h>

#include <csignal>
#include <limits>

#include "core/temporary_directory.hpp"
#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "echopath/core/interrupt.hpp"
#include "echopath/data/dataset.hpp"
#include "echopath/evaluation/classification.hpp"
#include "echopath/evaluation/predictions.hpp"
#include "echopath/evaluation/test_looks.hpp"
#include "echopath/io/csv.hpp"
#include "evaluation/made_comparison.hpp"

namespace echopath::evaluation {
namespace {

class ClassificationLooks : public ::testing::Test {
 protected:
  ClassificationLooks() {
    testing::write_noise(folder_ / "real", {.videos = 8, .frames = 4});
    // The first two videos, one of each class, are for validation.
    auto studies = data::read_file_list(folder_ / "real/FileList.csv");
    studies[0].split = studies[1].split = "VAL";
    data::write_file_list(folder_ / "real/FileList.csv", studies);
    asked_.real = (folder_ / "real").string();
    asked_.out = (folder_ / "out").string();
    asked_.bootstrap = {.resamples = 20, .coverage = 0.9, .seed = 5};
    asked_.device = "cpu";
    asked_.arms = {{"one", {predictions("a", 0.9, 2, 8)}},
                   {"other", {predictions("b", 0.7, 2, 8)}}};
  }

  /// A CSV for the videos `first` … `last` − 1, whose true class has the probability `right`.
  std::string predictions(const std::string& name, double right, int first, int last) const {
    Predictions made;
    made.classes = {"Non-ASD", "ASD"};
    for (int i = first; i < last; ++i) {
      made.names.push_back("v" + std::to_string(i));
      made.patients.push_back("P" + std::to_string(i));
      made.labels.push_back(i % 2 == 0 ? 1 : 0);
      const double asd = i % 2 == 0 ? right : 1 - right;
      made.probabilities.push_back({1 - asd, asd});
    }
    const fs::path csv = folder_ / (name + ".csv");
    write_predictions(csv, made);
    return csv.string();
  }

  std::vector<TestLook> looks() const {
    return TestLooks(folder_ / "real/test_looks.jsonl").looks();
  }
  /// The evaluation fails, counts no look and leaves no file of results.
  template <class Exception>
  void expect_failure(const std::string& part) const {
    expect_error<Exception>([&] { evaluate_classification(asked_); }, part);
    EXPECT_TRUE(looks().empty());
    if (!fs::is_directory(asked_.out)) return;
    for (const auto& entry : fs::recursive_directory_iterator(asked_.out)) {
      EXPECT_FALSE(entry.is_regular_file()) << entry.path();
    }
  }
  /// The same command, run again, counts its looks as the first ones.
  void expect_first_looks() const {
    const ClassificationResult done = evaluate_classification(asked_);
    EXPECT_EQ(done.arms[0].look, 1);
    EXPECT_EQ(done.arms[1].look, 1);
    EXPECT_EQ(looks().size(), 2U);
    for (const char* file : {"classification.json", "classification.csv", "comparisons.csv",
                             "predictions/one_1.csv", "predictions/other_1.csv"}) {
      EXPECT_TRUE(fs::is_regular_file(fs::path(asked_.out) / file)) << file;
    }
  }

  TemporaryDirectory folder_;
  ClassificationEvaluation asked_;
};

TEST_F(ClassificationLooks, ABadCsvOfALaterArmCountsNoneAndTheSameCommandGoesOn) {
  predictions("b", std::numeric_limits<double>::quiet_NaN(), 2, 8);
  expect_failure<DataError>("are not numbers from 0 to 1");
  predictions("b", 0.7, 2, 8);
  expect_first_looks();
}

TEST_F(ClassificationLooks, ASignalCountsNoneAndTheSameCommandGoesOn) {
  install_interrupt_handlers();
  std::raise(SIGTERM);
  expect_failure<Interrupted>("no look at TEST was counted");
  install_interrupt_handlers();
  expect_first_looks();
}

TEST_F(ClassificationLooks, ResultsThatCannotBeWrittenCountNone) {
  write_file(folder_ / "file", "in the way");
  asked_.out = (folder_ / "file/out").string();
  expect_failure<DataError>("cannot create the folder");
}

TEST_F(ClassificationLooks, WithoutARegisterThatCanBeWrittenNoResultIsSeen) {
  write_file(folder_ / "file", "in the way");
  asked_.looks = (folder_ / "file/looks.jsonl").string();
  expect_failure<DataError>("name another file with --looks");
  asked_.looks.clear();
  expect_first_looks();
}

TEST_F(ClassificationLooks, AnOutWithNothingButPredictionsOfAStoppedRunIsTaken) {
  const fs::path left = fs::path(asked_.out) / "predictions";
  write_file(left / "notes.txt", "of someone else");
  expect_error<UsageError>([&] { evaluate_classification(asked_); }, "did not write");
  EXPECT_TRUE(looks().empty());
  fs::rename(left / "notes.txt", left / "one_1.csv");
  write_file(fs::path(asked_.out) / ".unfinished.tmp-1-0/classification.csv", "Arm\n");
  expect_first_looks();
}

TEST_F(ClassificationLooks, AllVideosTogetherAreALookAtTestToo) {
  asked_.split = "";
  asked_.arms = {{"one", {predictions("a", 0.9, 0, 8)}}, {"other", {predictions("b", 0.7, 0, 8)}}};
  expect_first_looks();
  EXPECT_EQ(looks()[0].split, "TEST");
  EXPECT_EQ(looks()[0].videos, 8);
  expect_error<UsageError>([&] { evaluate_classification(asked_); }, "has been judged on TEST");
  // The arm's look counts where TEST alone is judged, too.
  asked_.split = "TEST";
  asked_.arms = {{"one", {predictions("c", 0.8, 2, 8)}}};
  expect_error<UsageError>([&] { evaluate_classification(asked_); }, "--again");
}

TEST_F(ClassificationLooks, ValidationVideosAreNoLook) {
  asked_.split = "VAL";
  asked_.arms = {{"one", {predictions("a", 0.9, 0, 2)}}};
  const ClassificationResult done = evaluate_classification(asked_);
  EXPECT_EQ(done.arms[0].look, 0);
  EXPECT_TRUE(looks().empty());
  EXPECT_TRUE(done.to_json().at("looks").is_null());
}

TEST_F(ClassificationLooks, ClassificationJsonNamesWhatWasJudgedAndHow) {
  asked_.auc_from = "labels";
  evaluate_classification(asked_);
  const config::Json found =
      config::read_json((fs::path(asked_.out) / "classification.json").string());
  EXPECT_EQ(found.at("dataset"), asked_.real);
  EXPECT_EQ(found.at("split"), "TEST");
  EXPECT_EQ(found.at("looks"), (folder_ / "real/test_looks.jsonl").string());
  EXPECT_EQ(found.at("auc_from"), "labels");
  EXPECT_EQ(found.at("bootstrap").at("resamples"), 20);
  EXPECT_EQ(found.at("bootstrap").at("coverage"), 0.9);
  EXPECT_EQ(found.at("bootstrap").at("seed"), 5);
  const config::Json& source = found.at("arms").at(1).at("sources").at(0);
  EXPECT_EQ(source.at("source"), asked_.arms[1].sources[0]);
  EXPECT_EQ(source.at("sha256"), sha256_file(asked_.arms[1].sources[0]));
  EXPECT_EQ(found.at("comparisons").at(0).at("delong").at("auc_from"), "scores");
  for (const char* name : {"classification.csv", "comparisons.csv"}) {
    const io::CsvTable table = io::read_csv(fs::path(asked_.out) / name);
    const auto column = static_cast<std::size_t>(table.require_column("AucFrom"));
    EXPECT_EQ(table.rows.at(0).at(column), "labels") << name;
  }
}

}  // namespace
}  // namespace echopath::evaluation
