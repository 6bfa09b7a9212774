#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace echopath::evaluation {

/// Frames of a video's blocks, how many each repeats, and how many of these fade over.
struct Blocks {
  std::int64_t length = 0;
  std::int64_t context = 0;
  std::int64_t fade = 0;
};

/// The blocks of each sampled video by its name, and those that stand for all others.
class BlockPlan {
 public:
  /// From the manifest of a sample directory; without one, blocks of `block_length` frames that
  /// repeat none.
  BlockPlan(const std::string& samples, std::int64_t block_length);

  const Blocks& usual() const { return usual_; }
  Blocks of(const std::string& name) const;

 private:
  Blocks usual_;
  std::map<std::string, Blocks> blocks_;
};

}  // namespace echopath::evaluation
