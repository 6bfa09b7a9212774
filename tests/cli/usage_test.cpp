// Wrong command lines: exit code 2 and one line that says what would be right.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/run_program.hpp"

namespace echopath::cli {
namespace {

using ::testing::HasSubstr;
using testing::Outcome;
using testing::run;
using ::testing::StartsWith;

void expect_usage_error(const std::vector<std::string>& arguments, const std::string& message) {
  const Outcome outcome = run(arguments);
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_EQ(outcome.out, "");
  EXPECT_EQ(outcome.err, "echopath: error: " + message + "\n");
}

TEST(CommandLine, WithoutAVerbListsThem) {
  const Outcome outcome = run({});
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.err,
              StartsWith("echopath: error: which verb? One of phantom, import, train"));
}

TEST(CommandLine, MisspeltVerbSuggestsTheNearest) {
  expect_usage_error({"smaple", "--class", "ASD"}, "unknown verb 'smaple'; did you mean 'sample'?");
}

TEST(CommandLine, MisspeltOptionSuggestsTheNearest) {
  expect_usage_error({"sample", "--bloks", "4"},
                     "sample: unknown option '--bloks'; did you mean '--blocks'?");
}

TEST(CommandLine, MisspeltActionSuggestsTheNearest) {
  expect_usage_error({"config", "shw", "lidm"},
                     "unknown config action 'shw'; did you mean 'show'?");
}

TEST(CommandLine, MissingRequiredOptionIsNamed) {
  expect_usage_error({"phantom"}, "phantom: --out is required; see echopath phantom --help");
}

TEST(CommandLine, ValueOfTheWrongTypeIsNamed) {
  const Outcome outcome = run({"phantom", "--out", "x", "--patients", "many"});
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.err, StartsWith("echopath: error: phantom: "));
  EXPECT_THAT(outcome.err, HasSubstr("--patients"));
  EXPECT_THAT(outcome.err, HasSubstr("many"));
}

TEST(CommandLine, NegativeSeedIsRefused) {
  const Outcome outcome = run({"phantom", "--out", "x", "--seed=-1"});
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("'-1' is not an integer from 0 to"));
}

TEST(CommandLine, UnknownLogLevelIsRefused) {
  const Outcome outcome = run({"doctor", "--log-level", "loud"});
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("log level 'loud' is unknown"));
}

TEST(CommandLine, UnknownDeviceIsRefused) {
  const Outcome outcome = run({"sample", "--device", "gpu"});
  EXPECT_NE(outcome.exit_code, 0);
  EXPECT_THAT(outcome.err, StartsWith("echopath: error: "));
}

TEST(CommandLine, FullStandardOutputIsAnError) {
  const Outcome outcome = run({"config", "show", "lidm"}, "exec > /dev/full;");
  EXPECT_EQ(outcome.exit_code, 3);
  EXPECT_THAT(outcome.err, HasSubstr("cannot write to standard output"));
}

}  // namespace
}  // namespace echopath::cli
