#include <ATen/Context.h>
#include <gtest/gtest.h>

#include <cstdint>

namespace echopath {
namespace {

/// LibTorch seeds its generator by the clock, and networks draw their first weights from it:
/// without this, tests would meet other weights at every run.
class SeedEveryTest : public ::testing::EmptyTestEventListener {
  static constexpr std::uint64_t kSeed = 20250601;

  void OnTestSuiteStart(const ::testing::TestSuite& /*suite*/) override { at::manual_seed(kSeed); }
  void OnTestStart(const ::testing::TestInfo& /*test*/) override { at::manual_seed(kSeed); }
};

// The framework owns its listeners.
[[maybe_unused]] const bool kListens = [] {
  ::testing::UnitTest::GetInstance()->listeners().Append(new SeedEveryTest);
  return true;
}();

}  // namespace
}  // namespace echopath
