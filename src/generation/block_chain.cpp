#include "echopath/generation/block_chain.hpp"

#include <utility>

namespace echopath::generation {

at::Tensor crossfade(const at::Tensor& before, const at::Tensor& after) {
  TORCH_CHECK(before.sizes() == after.sizes(), "blocks fade over frames that both of them drew");
  const std::int64_t frames = before.size(0);
  const at::Tensor weight = at::arange(1, frames + 1, before.options()).div(double(frames + 1));
  return at::lerp(before, after, weight.view({frames, 1, 1, 1}));
}

BlockChain::BlockChain(const BlockSampler& blocks, double fps, BlockStart first)
    : repeated_(blocks.context_frames()),
      advance_(blocks.block_length() - repeated_),
      fading_(blocks.block_length() - blocks.fade_frames()),
      fps_(fps),
      next_(std::move(first)) {}

at::Tensor BlockChain::add(const at::Tensor& block, bool last) {
  const std::int64_t end = last ? block.size(0) : fading_;
  at::Tensor done = block.slice(0, 0, end);  // the heart frame belongs to the video
  if (ending_.defined()) {
    const std::int64_t given = next_.given.size(0);
    done = at::cat(
        {crossfade(ending_, block.slice(0, given, repeated_)), block.slice(0, repeated_, end)});
  }
  ending_ = block.slice(0, fading_).clone();
  next_.given = block.slice(0, advance_, fading_).clone();
  if (next_.cycle) next_.cycle = next_.cycle->after(static_cast<double>(advance_) / fps_);
  return done;
}

}  // namespace echopath::generation
