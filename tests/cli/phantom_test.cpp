#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "cli/run_program.hpp"

namespace echopath::cli {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::Outcome;
using testing::run;
using testing::TemporaryFolder;

std::string content(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

TEST(PhantomVerb, WritesADatasetAndCountsIt) {
  const TemporaryFolder folder;
  const Outcome outcome = run({"phantom", "--out", folder / "data", "--patients", "4", "--frames",
                               "3", "--seed", "5", "--masks", "--json", "--quiet"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(outcome.err, "");
  const json report = json::parse(outcome.out);
  EXPECT_EQ(report["videos"], 4);
  EXPECT_EQ(report["frames"], 12);
  EXPECT_TRUE(fs::exists(folder / "data/FileList.csv"));
  EXPECT_TRUE(fs::exists(folder / "data/phantom.csv"));
  EXPECT_EQ(std::distance(fs::directory_iterator(folder / "data/Videos"), {}), 4);
  EXPECT_EQ(std::distance(fs::directory_iterator(folder / "data/Masks"), {}), 4);
}

TEST(PhantomVerb, SameSeedSameBytesAnotherSeedOthers) {
  const TemporaryFolder folder;
  for (const auto& [name, seed] : {std::pair("a", "5"), std::pair("b", "5"), std::pair("c", "6")}) {
    ASSERT_EQ(
        run({"phantom", "--out", folder / name, "--patients", "1", "--frames", "2", "--seed", seed})
            .exit_code,
        0);
  }
  const std::string file = "phantom.csv";
  EXPECT_EQ(content(folder / ("a/" + file)), content(folder / ("b/" + file)));
  EXPECT_NE(content(folder / ("a/" + file)), content(folder / ("c/" + file)));
}

TEST(PhantomVerb, AFolderThatCannotBeMadeIsNamedAsGiven) {
  const Outcome outcome = run({"phantom", "--quiet", "--out", "/proc/phantom"});
  EXPECT_EQ(outcome.exit_code, 3);
  EXPECT_EQ(outcome.err.rfind("echopath: error: cannot create the folder '/proc/phantom': ", 0), 0U)
      << outcome.err;
}

}  // namespace
}  // namespace echopath::cli
