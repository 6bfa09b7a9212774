#include "echopath/distributed/device_of_process.hpp"

#include <gtest/gtest.h>

#include "echopath/core/errors.hpp"

namespace echopath::distributed {
namespace {

TEST(DeviceOfProcess, EachProcessTakesItsOwnGpu) {
  ProcessEnvironment environment;
  environment.world_size = 2;
  EXPECT_THROW(device_of_process("cuda:0", environment), UsageError);
  EXPECT_EQ(device_of_process("cpu", environment), at::Device(at::kCPU));
}

}  // namespace
}  // namespace echopath::distributed
