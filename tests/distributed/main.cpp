// The test binary starts itself as the processes of a group: `test_distributed --worker NAME`.
#include <gtest/gtest.h>

#include <string>

#include "distributed/workers.hpp"

int main(int argc, char** argv) {
  if (argc == 3 && std::string(argv[1]) == "--worker") {
    return echopath::distributed::run_worker(argv[2]);
  }
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
