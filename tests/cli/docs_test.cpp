#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "cli/run_program.hpp"

namespace echopath::cli {
namespace {

TEST(CommandReference, DocsCliIsWhatTheProgramPrints) {
  std::ifstream file(ECHOPATH_SOURCE_DIR "/docs/cli.md");
  std::ostringstream committed;
  committed << file.rdbuf();
  const testing::Outcome outcome = testing::run({"config", "docs"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_TRUE(committed.str() == outcome.out)
      << "docs/cli.md is out of date; run scripts/generate_docs.sh";
}

TEST(CommandReference, HoldsTheHelpOfTheProgramAndOfEveryLevelOfVerbs) {
  const std::string page = testing::run({"config", "docs"}).out;
  for (const std::vector<std::string>& verb : std::vector<std::vector<std::string>>{
           {}, {"import"}, {"config"}, {"config", "check"}, {"config", "show"}}) {
    std::vector<std::string> arguments = verb;
    arguments.emplace_back("--help");
    const std::string help = testing::run(arguments).out;
    EXPECT_THAT(help, ::testing::HasSubstr("Usage: echopath"));
    EXPECT_THAT(page, ::testing::HasSubstr("```\n" + help + "```\n"));
  }
}

}  // namespace
}  // namespace echopath::cli
