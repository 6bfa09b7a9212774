#pragma once

#include <ATen/ATen.h>

#include <cstdint>

#include "echopath/generation/block_sampler.hpp"

namespace echopath::generation {

/// Frames that two blocks drew, both `[f, C, h, w]`: the change from the one block to the other in
/// f + 1 equal steps, frame j of f (from 1) being `before + (after − before)·j / (f + 1)`.
at::Tensor crossfade(const at::Tensor& before, const at::Tensor& after);

/// One video as its blocks come: what the next one is given, and which frames are done. Holds no
/// more than the frames in which two blocks meet.
class BlockChain {
 public:
  /// Of a video that starts from `first`, its blocks meeting as `blocks` draws them, at `fps`
  /// frames per second.
  BlockChain(const BlockSampler& blocks, double fps, BlockStart first);

  /// What the next block starts from.
  const BlockStart& next() const { return next_; }

  /// Takes the block `[n, C, h, w]` drawn from next(); `last`: none follows. Returns the frames of
  /// the video that are done with it: all up to those that the block after it draws too. The
  /// repeated frames of the block before that it drew itself are crossfaded.
  at::Tensor add(const at::Tensor& block, bool last);

 private:
  std::int64_t repeated_;  ///< frames of a block that the next one repeats
  std::int64_t advance_;   ///< frames from the first of a block to that of the next
  std::int64_t fading_;    ///< the first frame of a block that the next one draws too
  double fps_;
  BlockStart next_;
  at::Tensor ending_;  ///< the block before's from `fading_` on; undefined: there is none
};

}  // namespace echopath::generation
