// The test binary starts itself as the processes of a run: `test_training --worker NAME ARGUMENTS`.
#include <gtest/gtest.h>

#include <string>

#include "training/workers.hpp"

int main(int argc, char** argv) {
  if (argc >= 3 && std::string(argv[1]) == "--worker") {
    return echopath::training::run_worker({argv + 2, argv + argc});
  }
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
