#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "cli/run_program.hpp"

namespace echopath::cli {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using testing::Outcome;
using testing::run;

TEST(DoctorVerb, NamesLibrariesProcessorAndWhatIsMissing) {
  const Outcome outcome = run({"doctor", "--json", "--threads", "1"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const json report = json::parse(outcome.out);
  EXPECT_EQ(report["version"], "0.1.0");
  EXPECT_EQ(report["cpu"]["threads"], 1);
  EXPECT_GE(report["cpu"]["cores"].get<int>(), 1);
  EXPECT_GT(report["cpu"]["memory_bytes"].get<double>(), 1e8);
  EXPECT_TRUE(report["ffmpeg"]["encoders"]["libx264"].get<bool>());
  EXPECT_TRUE(report["ffmpeg"]["encoders"]["ffv1"].get<bool>());
  EXPECT_THAT(report["configs"].get<std::string>(), HasSubstr("configs"));
  if (!report["cuda"]["build"].get<bool>()) {
    EXPECT_THAT(report["missing"].dump(), HasSubstr("setup.sh --cuda"));
    EXPECT_THAT(report["missing"].dump(), HasSubstr("NCCL"));
  }
}

TEST(DoctorVerb, PrintsTextForPeople) {
  const Outcome outcome = run({"doctor"});
  EXPECT_EQ(outcome.exit_code, 0);
  for (const char* row : {"LibTorch  ", "processor  ", "CUDA  ", "NCCL  ", "FFmpeg  ", "GDCM  "}) {
    EXPECT_THAT(outcome.out, HasSubstr(row));
  }
}

TEST(DoctorVerb, SaysWhereTheDemoModelIsMissing) {
  const Outcome outcome = run({"doctor"}, "ECHOPATH_HOME=/nowhere");
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_THAT(outcome.out, HasSubstr("demo model: not found; run scripts/train_phantom_model.sh"));
}

}  // namespace
}  // namespace echopath::cli
