#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <memory>
#include <vector>

namespace echopath::nn {

/// What the masks of one forward pass are drawn from: a seed for each item, and how many layers
/// have drawn.
struct DropoutDraws {
  std::shared_ptr<const std::vector<std::uint64_t>> item_seeds;  ///< null: nobody has set any
  std::uint32_t layer = 0;
};

/// Sets the draws of this thread while it lives, and puts those before it back. A layer's mask of
/// an item depends on the item's seed and on how many layers drew before, and so neither on the
/// other items nor on their number.
class DropoutScope {
 public:
  explicit DropoutScope(std::vector<std::uint64_t> item_seeds);
  /// Goes on where `draws` was: for what is computed a second time.
  explicit DropoutScope(DropoutDraws draws);
  ~DropoutScope();
  DropoutScope(const DropoutScope&) = delete;
  DropoutScope& operator=(const DropoutScope&) = delete;

  static DropoutDraws current();

 private:
  DropoutDraws outer_;
};

/// In training, elements of `x` [B·n, …] (rows of an item adjacent) set to zero with probability
/// `p`, the others divided by 1 − p; else `x` itself. The mask is that of DropoutScope, or
/// LibTorch's where there is none.
at::Tensor item_dropout(const at::Tensor& x, double p, bool training);

}  // namespace echopath::nn
