// The folder of `echopath filter`: nothing of an earlier run stays in it, and nothing else goes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "core/temporary_directory.hpp"
#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "echopath/evaluation/privacy_filter.hpp"
#include "echopath/generation/manifest.hpp"
#include "echopath/io/csv.hpp"
#include "evaluation/made_latents.hpp"

namespace echopath::evaluation {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Files = std::set<std::string>;

const Files kAlways = {"filter.json",           "filter_files.csv",      "kept.csv",
                       "privacy_histogram.csv", "privacy_histogram.png", "privacy_scores.csv"};
const Files kOfTheCopy = {"FileList.csv", "config.json", "manifest.jsonl",
                          "Latents/new.safetensors", "Videos/new.avi"};
const Files kRefused = {"Latents/copy.safetensors", "Videos/copy.avi"};

Files operator+(Files a, const Files& b) {
  a.insert(b.begin(), b.end());
  return a;
}

/// A sample directory of two, one of them a training frame, judged by their latents.
class FilterResults : public ::testing::Test {
 protected:
  FilterResults() {
    std::vector<testing::MadeLatents> real;
    for (std::uint32_t i = 0; i < 4; ++i) {
      real.push_back(
          {"real" + std::to_string(i), i < 2 ? "TRAIN" : "VAL", testing::drawn_latents(i, 1)});
    }
    testing::write_latents(folder_ / "real", real);
    const fs::path samples = folder_ / "samples";
    testing::write_latents(samples, {{"new", "TRAIN", testing::drawn_latents(9, 1)},
                                     {"copy", "TRAIN", testing::drawn_latents(1, 1)}});
    std::string lines;
    for (const char* name : {"new", "copy"}) {
      generation::ManifestEntry entry;
      entry.file = std::string("Videos/") + name + ".avi";
      lines += entry.to_json().dump() + "\n";
      write_file(samples / entry.file, name);
    }
    write_file(samples / "manifest.jsonl", lines);
    write_file(samples / "config.json", "{}");
    options_.real = (folder_ / "real").string();
    options_.synthetic = samples.string();
    options_.model = generation::testing::shared_toy_model().string();
    options_.out = out_.string();
    options_.device = "cpu";
  }

  /// With a copy of what is kept: both, or all but the training frame.
  FilterSummary keep_both() {
    options_.copy = true;
    options_.tau = 2.0;
    return run_filter(options_);
  }
  FilterSummary refuse_the_copy() {
    const auto rows = io::read_csv(out_ / "privacy_scores.csv").rows;
    options_.tau = (std::stod(rows[0][2]) + std::stod(rows[1][2])) / 2;
    return run_filter(options_);
  }
  Files files() const {
    Files found;
    for (const auto& entry : fs::recursive_directory_iterator(out_)) {
      if (!entry.is_directory()) found.insert(fs::relative(entry.path(), out_).string());
    }
    return found;
  }

  TemporaryDirectory folder_;
  const fs::path out_ = folder_ / "out";
  FilterOptions options_;
};

TEST_F(FilterResults, OfAStricterTauHoldNothingThatItRefuses) {
  ASSERT_EQ(keep_both().kept, 2);
  EXPECT_EQ(files(), kAlways + kOfTheCopy + kRefused);
  ASSERT_EQ(refuse_the_copy().kept, 1);
  EXPECT_EQ(files(), kAlways + kOfTheCopy);
  EXPECT_EQ(data::read_file_list(out_ / "FileList.csv").size(), 1U);
  EXPECT_EQ(generation::read_manifest(out_ / "manifest.jsonl").size(), 1U);
}

TEST_F(FilterResults, WithoutACopyHoldNoneOfAnEarlierOne) {
  keep_both();
  options_.copy = false;
  ASSERT_EQ(refuse_the_copy().kept, 1);
  EXPECT_EQ(files(), kAlways);
  // An empty Latents/ would make the folder one of latents.
  EXPECT_FALSE(fs::exists(out_ / "Latents"));
  EXPECT_FALSE(fs::exists(out_ / "Videos"));
}

TEST_F(FilterResults, LeaveFilesAloneThatTheFilterDidNotWrite) {
  keep_both();
  const Files mine = {"notes.txt", "Videos/mine.avi", "Videos/.mine.tmp-1-0.avi"};
  for (const std::string& name : mine) write_file(out_ / name, "mine");
  refuse_the_copy();
  EXPECT_EQ(files(), kAlways + kOfTheCopy + mine);
  options_.copy = false;
  refuse_the_copy();
  EXPECT_EQ(files(), kAlways + mine);
}

TEST_F(FilterResults, OfAStoppedRunAreNoFinishedOnesAndAreCleared) {
  keep_both();
  // The second run cannot go on from here.
  fs::remove(out_ / "kept.csv");
  write_file(out_ / "kept.csv/in_the_way", "");
  expect_error<DataError>([&] { refuse_the_copy(); }, "kept.csv' of an earlier run of the filter");
  EXPECT_FALSE(fs::exists(out_ / "filter.json"));
  EXPECT_TRUE(fs::exists(out_ / "Videos/copy.avi"));
  fs::remove_all(out_ / "kept.csv");
  // What a process leaves that is killed while it writes.
  for (const char* name : {".filter_files.tmp-7-0.csv", "Videos/.copy.tmp-7-1.avi"}) {
    write_file(out_ / name, "");
  }
  options_.tau = 2.0;
  options_.copy = false;
  EXPECT_EQ(run_filter(options_).kept, 2);
  EXPECT_EQ(files(), kAlways);
}

TEST_F(FilterResults, OfARunThatWasKilledAtItsVeryStartAreCleared) {
  write_file(out_ / ".filter_files.tmp-7-0.csv", "");
  keep_both();
  EXPECT_EQ(files(), kAlways + kOfTheCopy + kRefused);
}

TEST_F(FilterResults, AreNotWrittenIntoAFolderThatIsCompared) {
  keep_both();
  options_.synthetic = options_.out;
  expect_error<UsageError>([&] { run_filter(options_); }, "out' is --synthetic too");
  EXPECT_EQ(files(), kAlways + kOfTheCopy + kRefused);
}

TEST_F(FilterResults, ListedOutsideOfTheFolderAreRefused) {
  write_file(folder_ / "precious.txt", "kept");
  for (const std::string& name :
       {std::string("../precious.txt"), (folder_ / "precious.txt").string()}) {
    write_file(out_ / "filter_files.csv", "File\n" + name + "\n");
    expect_error<DataError>([&] { keep_both(); },
                            "names '" + name + "', which lies outside of the folder");
  }
  EXPECT_TRUE(fs::exists(folder_ / "precious.txt"));
}

TEST_F(FilterResults, TellOfTheWarnings) {
  const auto written = [&] {
    return config::read_json((out_ / "filter.json").string())
        .at("warnings")
        .get<std::vector<std::string>>();
  };
  keep_both();  // a given tau is taken from nothing
  EXPECT_THAT(written(), ElementsAre());
  options_.tau.reset();
  options_.threshold = "real";
  write_file(folder_ / "real/manifest.jsonl", "");
  fs::remove(folder_ / "samples/manifest.jsonl");
  EXPECT_THAT(run_filter(options_).warnings,
              ElementsAre(HasSubstr("look swapped: only the first has a manifest.jsonl"),
                          "tau is taken from 2 held-out frames only: it says little about rare "
                          "similarities"));
  EXPECT_THAT(written(), ElementsAre(HasSubstr("look swapped"), HasSubstr("tau is taken from 2")));
}

}  // namespace
}  // namespace echopath::evaluation
