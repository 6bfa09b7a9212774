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

}  // namespace
}  // namespace echopath::cli
