#include "echopath/core/allocator.hpp"

#include <malloc.h>

#include <atomic>

namespace echopath {
namespace {

std::atomic<bool> keeps_freed_memory = false;
std::atomic<int> separate_scopes = 0;

/// How many blocks may be maps of their own; those of at least M_MMAP_THRESHOLD bytes become one.
void allow_maps([[maybe_unused]] int count) {
#ifdef __GLIBC__
  mallopt(M_MMAP_MAX, count);
#endif
}

}  // namespace

void keep_freed_memory() {
#ifdef __GLIBC__
  mallopt(M_MMAP_THRESHOLD, 128 * 1024);
  mallopt(M_TRIM_THRESHOLD, -1);  // the heap never shrinks
#endif
  keeps_freed_memory = true;
  allow_maps(0);
}

SeparateBlocksScope::SeparateBlocksScope() {
  constexpr int kDefault = 65536;
  if (separate_scopes++ == 0 && keeps_freed_memory) allow_maps(kDefault);
}

SeparateBlocksScope::~SeparateBlocksScope() {
  if (--separate_scopes == 0 && keeps_freed_memory) allow_maps(0);
}

}  // namespace echopath
