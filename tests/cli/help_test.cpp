#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/run_program.hpp"

namespace echopath::cli {
namespace {

using ::testing::HasSubstr;
using testing::Outcome;
using testing::run;

class VerbHelp : public ::testing::TestWithParam<std::string> {};

TEST_P(VerbHelp, ShowsAnExampleAndTheCommonOptions) {
  const Outcome outcome = run({GetParam(), "--help"});
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_EQ(outcome.err, "");
  EXPECT_THAT(outcome.out, HasSubstr("Example:\n  echopath " + GetParam()));
  for (const char* option :
       {"--device", "--seed", "--threads", "--log-level", "--quiet", "--json"}) {
    EXPECT_THAT(outcome.out, HasSubstr(option));
  }
}

INSTANTIATE_TEST_SUITE_P(All, VerbHelp,
                         ::testing::Values("phantom", "import", "train", "encode", "decode",
                                           "sample", "filter", "eval", "report", "convert",
                                           "forward", "config", "doctor"),
                         [](const auto& verb) { return verb.param; });

TEST(ProgramHelp, ListsEveryVerbAndTheExitCodes) {
  const Outcome outcome = run({"--help"});
  EXPECT_EQ(outcome.exit_code, 0);
  for (const char* verb : {"phantom", "import", "train", "encode", "decode", "sample", "filter",
                           "eval", "report", "convert", "forward", "config", "doctor"}) {
    EXPECT_THAT(outcome.out, HasSubstr(std::string("\n  ") + verb + " "));
  }
  EXPECT_THAT(outcome.out, HasSubstr("Exit codes: 0 done, 1 internal error, 2 wrong usage"));
}

TEST(ProgramHelp, VersionIsTheProjects) {
  EXPECT_EQ(run({"--version"}).out, "echopath 0.1.0\n");
}

}  // namespace
}  // namespace echopath::cli
