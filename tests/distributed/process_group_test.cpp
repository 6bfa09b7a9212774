#include "echopath/distributed/process_group.hpp"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

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

TEST(GradientReducer, AveragesTheSumOverBackwardPassesOnce) {
  EXPECT_EQ(run_group(2, "reduces_gradients"), 0);
  EXPECT_EQ(run_group(1, "reduces_gradients"), 0);
}
TEST(GradientReducer, RefusesAParameterWithoutGradient) {
  EXPECT_EQ(run_group(2, "misses_a_gradient"), 0);
}

TEST(Rendezvous, WhatFailsOnOneIsToldByRankZero) {
  EXPECT_EQ(run_group(3, "together"), 0);
}
TEST(Rendezvous, ExchangesTextsLongerThanTheStoreTakes) {
  EXPECT_EQ(run_group(2, "exchanges_long_texts"), 0);
}
TEST(Rendezvous, NamesTheProcessThatDidNotCome) {
  EXPECT_EQ(run_group(2, "missing_process"), 0);
}
TEST(Rendezvous, OneProcessMeetsNobody) {
  Rendezvous rendezvous(ProcessEnvironment{});
  EXPECT_EQ(rendezvous.exchange("alone"), std::vector<std::string>{"alone"});
  EXPECT_THROW(rendezvous.together([] { throw DataError("broken"); }), DataError);
}

TEST(Rendezvous, SaysThatThePortIsInUse) {
  const int listener = socket(AF_INET6, SOCK_STREAM, 0);
  sockaddr_in6 address = {};
  address.sin6_family = AF_INET6;
  socklen_t size = sizeof(address);
  ASSERT_EQ(bind(listener, reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(listen(listener, 1), 0);
  getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size);
  ProcessEnvironment environment;
  environment.world_size = 2;
  environment.master_port = ntohs(address.sin6_port);
  try {
    Rendezvous rendezvous(environment, {std::chrono::seconds(2), std::chrono::seconds(2)});
    FAIL() << "listens at a port that is in use";
  } catch (const DeviceError& error) {
    EXPECT_EQ(std::string(error.what()),
              "process group: rank 0 cannot listen at " + environment.address() +
                  ": the port is in use; end what uses it, or set MASTER_PORT to a free one");
  }
  close(listener);
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
