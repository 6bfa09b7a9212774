// `echopath eval` of the demo model's measures: anatomy, motion, agreement, nearest.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "cli/run_program.hpp"

namespace echopath::cli {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using testing::last_line;
using testing::Outcome;
using testing::run;
using testing::TemporaryFolder;

TEST(EvalMeasures, MotionOfPhantomsIsClearAndAtTheSimulatorsRate) {
  const TemporaryFolder folder;
  const std::string data = folder / "data";
  ASSERT_EQ(
      run({"phantom", "--out", data, "--patients", "4", "--frames", "96", "--quiet"}).exit_code, 0);
  const Outcome outcome = run({"eval", "motion", "--real", data, "--json", "--quiet"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const json report = json::parse(outcome.out);
  EXPECT_EQ(report["heart_rate_error"]["videos"], 4);
  EXPECT_LT(report["heart_rate_error"]["median"].get<double>(), 0.02);
  for (const json& row : report["figures"][0]["classes"]) EXPECT_EQ(row["real"]["estimate"], 1.0);
  EXPECT_EQ(report["seams"]["real"]["seams"], 4 * 2);
  EXPECT_EQ(report["seams"]["synthetic"]["videos"], 0);

  const Outcome text = run({"eval", "motion", "--real", data, "--real-split", "TRAIN", "--quiet"});
  EXPECT_EQ(text.exit_code, 0) << text.err;
  EXPECT_THAT(text.out, HasSubstr("heart rates of the real set (phantom.csv)"));
}

TEST(EvalMeasures, WrongInputIsToldInOneLine) {
  const TemporaryFolder folder;
  const std::string none = folder / "none";
  const auto expect = [](const std::vector<std::string>& words, int code, const char* text) {
    const Outcome outcome = run(words);
    EXPECT_EQ(outcome.exit_code, code) << outcome.err;
    EXPECT_THAT(last_line(outcome.err), HasSubstr(text));
  };
  expect({"eval", "anatomy"}, 2, "--real");
  expect({"eval", "motion", "--real", none}, 3, "none");
  expect({"eval", "motion", "--real", none, "--trace", "t.safetensors"}, 2, "--synthetic");
  expect({"eval", "motion", "--real", none, "--block-length", "1"}, 2, "--block-length");
  expect({"eval", "anatomy", "--real", none, "--every", "0"}, 2, "--every");
  expect({"eval", "agreement", "--real", none, "--videos", "-1"}, 2, "below 0");
  expect({"eval", "nearest", "--real", none}, 2, "--synthetic");
  expect({"eval", "drift", "--real", none}, 2, "--synthetic");
  expect({"eval", "compare", "--real", none, "--arm", "x"}, 2, "NAME=DIR");
  expect({"eval", "compare", "--real", none, "--arm", "x=y"}, 2, "two arms");
}

}  // namespace
}  // namespace echopath::cli
