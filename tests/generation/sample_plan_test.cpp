#include "generation/sample_plan.hpp"

#include <gtest/gtest.h>

#include <limits>

#include "echopath/core/errors.hpp"

namespace echopath::generation {
namespace {

TEST(SamplePlan, SeedsCountOnToTheLargestAndNotBeyond) {
  models::ModelInfo info;
  info.class_names = {"ASD"};
  SampleOptions options;
  options.classes = {"ASD"};
  options.seed = std::numeric_limits<std::int64_t>::max() - 1;
  options.count = 2;
  EXPECT_EQ(plan_videos(options, info).at(1).seed, 9223372036854775807U);
  options.count = 3;
  try {
    plan_videos(options, info);
    FAIL() << "a seed beyond the largest was planned";
  } catch (const UsageError& error) {
    EXPECT_NE(std::string(error.what()).find("take 0 to 9223372036854775805"), std::string::npos);
  }
}

}  // namespace
}  // namespace echopath::generation
