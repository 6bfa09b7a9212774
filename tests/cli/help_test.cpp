#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/run_program.hpp"

namespace echopath::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
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

void expect_common_options(const std::string& help) {
  const std::size_t heading = help.find("\nCommon options:\n");
  ASSERT_NE(heading, std::string::npos) << help;
  for (const char* option :
       {"--device", "--seed", "--threads", "--log-level", "--quiet", "--json"}) {
    EXPECT_NE(help.find(std::string("\n  ") + option, heading), std::string::npos) << option;
  }
}

class EvalWordHelp : public ::testing::TestWithParam<std::string> {};

TEST_P(EvalWordHelp, ShowsAnExampleOfItsOwnAndTheCommonOptions) {
  const Outcome outcome = run({"eval", GetParam(), "--help"});
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_EQ(outcome.err, "");
  EXPECT_THAT(outcome.out, HasSubstr("\nExample:\n  echopath eval " + GetParam() + " --"));
  EXPECT_THAT(outcome.out, Not(HasSubstr("{false}")));
  expect_common_options(outcome.out);
}

INSTANTIATE_TEST_SUITE_P(All, EvalWordHelp,
                         ::testing::Values("fid", "fvd", "is", "generation", "anatomy", "motion",
                                           "agreement", "nearest", "drift", "compare",
                                           "classification", "privacy"),
                         [](const auto& word) { return word.param; });

TEST(SubverbHelp, WithoutAnExampleOfItsOwnShowsTheVerbsAndTheCommonOptions) {
  const Outcome outcome = run({"config", "show", "--help"});
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_THAT(outcome.out, HasSubstr("\nExample:\n  echopath config show lidm\n"));
  expect_common_options(outcome.out);
}

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
