#include "echopath/distributed/process_group.hpp"

#include <gtest/gtest.h>

#include "echopath/core/errors.hpp"
#include "echopath/distributed/launcher.hpp"

namespace echopath::distributed {
namespace {

/// Exit code of a worker (workers.cpp) run as `nproc` processes of one group.
int run_group(int nproc, const std::string& worker) {
  return launch_local(nproc, {"/proc/self/exe", "--worker", worker});
}

TEST(SingleProcessGroup, LeavesTensorsAsTheyAre) {
  const auto group = make_process_group(ProcessEnvironment{}, at::kCPU);
  std::vector<at::Tensor> tensors = {at::arange(4, at::kFloat)};
  group->all_reduce_mean(tensors);
  group->broadcast(tensors, 0);
  group->barrier();
  EXPECT_TRUE(at::equal(tensors[0], at::arange(4, at::kFloat)));
  EXPECT_EQ(group->size(), 1);
  EXPECT_TRUE(group->is_root());
}

TEST(SingleProcessGroup, GathersItself) {
  const auto group = make_process_group(ProcessEnvironment{}, at::kCPU);
  EXPECT_EQ(group->all_gather_text("alone"), std::vector<std::string>{"alone"});
  EXPECT_EQ(group->sum(7), 7);
  EXPECT_FALSE(group->any(false));
  EXPECT_NO_THROW(check_parameters_equal(*group, {{"weight", at::ones({2})}}));
}

TEST(GlooProcessGroup, AveragesOverTwoProcesses) {
  EXPECT_EQ(run_group(2, "averages"), 0);
}
TEST(GlooProcessGroup, AveragesOverThreeProcesses) {
  EXPECT_EQ(run_group(3, "averages"), 0);
}
TEST(GlooProcessGroup, AveragesMoreThanOneBucket) {
  EXPECT_EQ(run_group(2, "large_gradients"), 0);
}
TEST(GlooProcessGroup, BroadcastsFromAnyRank) {
  EXPECT_EQ(run_group(2, "broadcasts"), 0);
}
TEST(GlooProcessGroup, GathersByRank) {
  EXPECT_EQ(run_group(3, "gathers"), 0);
}
TEST(GlooProcessGroup, AcceptsEqualParameters) {
  EXPECT_EQ(run_group(2, "equal_parameters"), 0);
}
TEST(GlooProcessGroup, RefusesUnequalParameters) {
  EXPECT_EQ(run_group(2, "unequal_parameters"), 0);
}
TEST(GlooProcessGroup, ReportsALostProcess) {
  EXPECT_EQ(run_group(2, "lost_process"), 0);
}

TEST(GlooProcessGroup, NamesTheAddressWhereNobodyListens) {
  ProcessEnvironment environment;
  environment.rank = 1;
  environment.world_size = 2;
  environment.master_port = 1;
  try {
    make_process_group(environment, at::kCPU, std::chrono::seconds(1));
    FAIL() << "joined a group that does not exist";
  } catch (const DeviceError& error) {
    EXPECT_NE(std::string(error.what()).find("127.0.0.1:1"), std::string::npos) << error.what();
    EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos) << error.what();
  }
}

#ifndef ECHOPATH_WITH_CUDA
TEST(GlooProcessGroup, SaysThatThisBuildHasNoNccl) {
  ProcessEnvironment environment;
  environment.world_size = 2;
  EXPECT_THROW(make_process_group(environment, at::kCUDA), DeviceError);
}
#endif

}  // namespace
}  // namespace echopath::distributed
