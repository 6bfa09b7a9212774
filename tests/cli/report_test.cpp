// Golden tests of `echopath report`.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "cli/run_program.hpp"
#include "echopath/core/files.hpp"

namespace echopath::cli {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::HasSubstr;
using testing::last_line;
using ::testing::MatchesRegex;
using ::testing::Not;
using testing::Outcome;
using testing::run;

class ReportVerb : public ::testing::Test {
 protected:
  void write_run(const std::string& name) const {
    testing::write_text(folder_ / (name + "/config.json"), R"({"training": {"steps": 2}})");
    testing::write_text(folder_ / (name + "/metrics.jsonl"),
                        R"({"step":1,"kind":"training","loss":0.5})"
                        "\n"
                        R"({"step":2,"kind":"validation","val_loss":0.25})"
                        "\n");
  }

  testing::TemporaryFolder folder_;
};

TEST_F(ReportVerb, WritesOnePageAndSaysWhatIsInIt) {
  write_run("run");
  const Outcome outcome = run({"report", folder_ / "run"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, MatchesRegex("page  [^\n]+/run/report\\.html \\([0-9.]+ [kM]B\\): "
                                        "Training of run\n"));
  const std::string page = read_file(folder_ / "run/report.html");
  EXPECT_THAT(page, HasSubstr("val_loss"));
  EXPECT_THAT(page, Not(HasSubstr("src=\"http")));
}

TEST_F(ReportVerb, ComparesAFolderOfRuns) {
  write_run("runs/a");
  write_run("runs/b");
  const Outcome outcome =
      run({"report", folder_ / "runs", "--out", folder_ / "page.html", "--json"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const json done = json::parse(outcome.out);
  EXPECT_EQ(done["page"], folder_ / "page.html");
  EXPECT_EQ(done["bytes"], fs::file_size(folder_ / "page.html"));
  EXPECT_FALSE(fs::exists(folder_ / "runs/report.html"));
}

TEST_F(ReportVerb, WrongUseIsToldInOneLine) {
  const auto expect = [](const std::vector<std::string>& words, int code, const char* text) {
    const Outcome outcome = run(words);
    EXPECT_EQ(outcome.exit_code, code) << outcome.err;
    EXPECT_EQ(outcome.out, "");
    EXPECT_THAT(last_line(outcome.err), HasSubstr(text));
  };
  fs::create_directories(folder_ / "empty");
  expect({"report"}, 2, "directory is required");
  expect({"report", folder_ / "absent"}, 3, "absent");
  expect({"report", folder_ / "empty"}, 3, "empty");
  write_run("run");
  expect({"report", folder_ / "run", "--videos", "-1"}, 2, "--videos");
  expect({"report", folder_ / "run", "--with", folder_ / "absent"}, 3, "absent");
  expect({"report", folder_ / "run", "--with", folder_ / "empty"}, 3, "holds no training run");
}

}  // namespace
}  // namespace echopath::cli
