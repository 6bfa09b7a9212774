#include "echopath/core/allocator.hpp"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <functional>
#include <memory>

namespace echopath {
namespace {

constexpr std::int64_t kBlock = std::int64_t{64} << 20U;

std::int64_t resident_bytes() {
  std::int64_t size = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> size >> resident;
  return resident * sysconf(_SC_PAGESIZE);
}

/// What stays with the program of a block that it filled and freed.
std::int64_t kept_of_freed_block() {
  const std::int64_t before = resident_bytes();
  {
    const std::unique_ptr<char[]> block(new char[kBlock]);
    std::memset(block.get(), 1, kBlock);
    asm volatile("" : : "r"(block.get()) : "memory");
  }
  return resident_bytes() - before;
}

/// In a process of its own: the setting is for good.
bool holds_in_child(const std::function<bool()>& condition) {
  const pid_t child = fork();
  if (child == 0) _exit(condition() ? 0 : 1);
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

bool has_glibc_malloc() {
#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__)
  return true;
#else
  return false;
#endif
}

TEST(Allocator, FreedMemoryStaysWithTheProgram) {
  if (!has_glibc_malloc()) GTEST_SKIP() << "another allocator";
  EXPECT_TRUE(holds_in_child([] { return kept_of_freed_block() < kBlock / 8; }));
  EXPECT_TRUE(holds_in_child([] {
    keep_freed_memory();
    const bool kept = kept_of_freed_block() > kBlock / 2;
    return kept && kept_of_freed_block() < kBlock / 8;  // the second one uses it again
  }));
}

TEST(Allocator, SeparateBlocksGoBackToTheSystem) {
  if (!has_glibc_malloc()) GTEST_SKIP() << "another allocator";
  EXPECT_TRUE(holds_in_child([] {
    keep_freed_memory();
    bool gone = false;
    {
      const SeparateBlocksScope outer;
      { const SeparateBlocksScope inner; }
      gone = kept_of_freed_block() < kBlock / 8;
    }
    return gone && kept_of_freed_block() > kBlock / 2;
  }));
}

}  // namespace
}  // namespace echopath
