#include "echopath/distributed/environment.hpp"

#include <gtest/gtest.h>

#include <map>

#include "echopath/core/errors.hpp"

namespace echopath::distributed {
namespace {

ProcessEnvironment read(const std::map<std::string, std::string>& variables) {
  return environment_from([&](const std::string& name) -> std::optional<std::string> {
    const auto found = variables.find(name);
    return found == variables.end() ? std::nullopt : std::optional(found->second);
  });
}

std::string error_of(const std::map<std::string, std::string>& variables) {
  try {
    read(variables);
  } catch (const DeviceError& error) {
    return error.what();
  }
  return "";
}

TEST(ProcessEnvironmentTest, IsOneProcessWithoutVariables) {
  const ProcessEnvironment environment = read({});
  EXPECT_EQ(environment.rank, 0);
  EXPECT_EQ(environment.world_size, 1);
  EXPECT_TRUE(environment.is_root());
}

TEST(ProcessEnvironmentTest, ReadsTorchrun) {
  const ProcessEnvironment environment = read({{"RANK", "5"},
                                               {"LOCAL_RANK", "1"},
                                               {"WORLD_SIZE", "8"},
                                               {"MASTER_ADDR", "gpu-01"},
                                               {"MASTER_PORT", "29411"}});
  EXPECT_EQ(environment.rank, 5);
  EXPECT_EQ(environment.local_rank, 1);
  EXPECT_EQ(environment.world_size, 8);
  EXPECT_EQ(environment.address(), "gpu-01:29411");
}

TEST(ProcessEnvironmentTest, KnowsTheStoreOfTorchrunsAgent) {
  std::map<std::string, std::string> variables = {
      {"RANK", "0"}, {"WORLD_SIZE", "2"}, {"MASTER_ADDR", "a"}, {"MASTER_PORT", "2000"}};
  EXPECT_FALSE(read(variables).store_is_there);
  variables["TORCHELASTIC_USE_AGENT_STORE"] = "True";
  variables["TORCHELASTIC_RESTART_COUNT"] = "3";
  EXPECT_TRUE(read(variables).store_is_there);
  EXPECT_EQ(read(variables).attempt, 3);
}

TEST(ProcessEnvironmentTest, ReadsAStepOfSlurm) {
  const ProcessEnvironment environment = read({{"SLURM_PROCID", "3"},
                                               {"SLURM_LOCALID", "1"},
                                               {"SLURM_NTASKS", "4"},
                                               {"SLURM_JOB_ID", "41234"},
                                               {"SLURM_STEP_NODELIST", "node[07-08]"},
                                               {"SLURM_LAUNCH_NODE_IPADDR", "10.0.0.9"}});
  EXPECT_EQ(environment.rank, 3);
  EXPECT_EQ(environment.local_rank, 1);
  EXPECT_EQ(environment.world_size, 4);
  EXPECT_EQ(environment.address(), "node07:21234");
}

TEST(ProcessEnvironmentTest, FallsBackToSlurmsLaunchAddress) {
  const auto environment = read({{"SLURM_PROCID", "0"},
                                 {"SLURM_NTASKS", "2"},
                                 {"SLURM_LAUNCH_NODE_IPADDR", "10.0.0.9"},
                                 {"MASTER_PORT", "23456"}});
  EXPECT_EQ(environment.address(), "10.0.0.9:23456");
}

TEST(ProcessEnvironmentTest, CountsTheStepsTasksAndNotTheJobs) {
  const auto environment = read({{"SLURM_PROCID", "0"},
                                 {"SLURM_NTASKS", "8"},
                                 {"SLURM_STEP_NUM_TASKS", "1"},
                                 {"SLURM_STEP_NODELIST", "a"}});
  EXPECT_EQ(environment.world_size, 1);
}

TEST(ProcessEnvironmentTest, IsOneProcessInABatchScriptWithoutSrun) {
  EXPECT_EQ(read({{"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "8"}}).world_size, 1);
}

TEST(ProcessEnvironmentTest, PrefersTorchrunInsideSlurm) {
  const auto environment = read({{"RANK", "1"},
                                 {"WORLD_SIZE", "2"},
                                 {"MASTER_ADDR", "a"},
                                 {"MASTER_PORT", "2000"},
                                 {"SLURM_PROCID", "0"},
                                 {"SLURM_NTASKS", "1"},
                                 {"SLURM_LAUNCH_NODE_IPADDR", "10.0.0.9"}});
  EXPECT_EQ(environment.rank, 1);
  EXPECT_EQ(environment.address(), "a:2000");
}

TEST(ProcessEnvironmentTest, NamesWhatIsMissingOrWrong) {
  EXPECT_NE(error_of({{"RANK", "1"}}).find("WORLD_SIZE"), std::string::npos);
  EXPECT_NE(error_of({{"WORLD_SIZE", "2"}}).find("RANK"), std::string::npos);
  EXPECT_NE(error_of({{"RANK", "2"}, {"WORLD_SIZE", "2"}}).find("RANK='2'"), std::string::npos);
  EXPECT_NE(error_of({{"RANK", "one"}, {"WORLD_SIZE", "2"}}).find("RANK='one'"), std::string::npos);
  EXPECT_NE(error_of({{"RANK", "1"}, {"WORLD_SIZE", "2"}}).find("MASTER_ADDR"), std::string::npos);
  EXPECT_NE(
      error_of({{"RANK", "1"}, {"WORLD_SIZE", "2"}, {"MASTER_ADDR", "a"}, {"MASTER_PORT", "70000"}})
          .find("MASTER_PORT='70000'"),
      std::string::npos);
}

TEST(FirstHost, ExpandsSlurmsNodeLists) {
  EXPECT_EQ(first_host("node[003-007,9],login"), "node003");
  EXPECT_EQ(first_host("login,node[1-2]"), "login");
  EXPECT_EQ(first_host("gpu[4]"), "gpu4");
  EXPECT_EQ(first_host("rack[1-2]-node[05-09]"), "rack1-node05");
  EXPECT_EQ(first_host("single.example.org"), "single.example.org");
  EXPECT_EQ(first_host(""), "");
}

}  // namespace
}  // namespace echopath::distributed
