#pragma once

namespace echopath {

/// Memory that the program frees stays with it, for its next tensors. By default glibc gives every
/// block above 32 MB back to the system and has the next one filled with zeros page by page, which
/// took a tenth of a video network's forward pass. Without effect under another C library.
void keep_freed_memory();

/// While one lives, that does not hold for large blocks: each comes from the system and returns to
/// it. For blocks of which some are freed soon and others stay, which would leave holes.
class SeparateBlocksScope {
 public:
  SeparateBlocksScope();
  ~SeparateBlocksScope();
  SeparateBlocksScope(const SeparateBlocksScope&) = delete;
  SeparateBlocksScope& operator=(const SeparateBlocksScope&) = delete;
};

}  // namespace echopath
