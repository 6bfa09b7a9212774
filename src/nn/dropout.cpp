#include "echopath/nn/dropout.hpp"

#include <ATen/Parallel.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "echopath/core/random.hpp"

namespace echopath::nn {
namespace {

thread_local DropoutDraws draws_here;

/// Ones and zeros for the elements of one item in `out`: four words of Philox for four elements.
void draw_mask(std::uint64_t seed, std::uint32_t layer, std::uint64_t dropped, std::int64_t count,
               float* out) {
  const std::array<std::uint32_t, 2> key = {static_cast<std::uint32_t>(seed),
                                            static_cast<std::uint32_t>(seed >> 32)};
  for (std::int64_t i = 0; i < count; i += 4) {
    const auto quadruple = static_cast<std::uint64_t>(i / 4);
    const std::array<std::uint32_t, 4> words =
        philox({static_cast<std::uint32_t>(quadruple), static_cast<std::uint32_t>(quadruple >> 32),
                layer, 0},
               key);
    const std::int64_t last = std::min<std::int64_t>(4, count - i);
    for (std::int64_t j = 0; j < last; ++j) {
      out[i + j] = words[static_cast<std::size_t>(j)] < dropped ? 0.0F : 1.0F;
    }
  }
}

}  // namespace

DropoutScope::DropoutScope(std::vector<std::uint64_t> item_seeds)
    : DropoutScope(DropoutDraws{
          std::make_shared<const std::vector<std::uint64_t>>(std::move(item_seeds)), 0}) {}

DropoutScope::DropoutScope(DropoutDraws draws)
    : outer_(std::exchange(draws_here, std::move(draws))) {}

DropoutScope::~DropoutScope() {
  draws_here = std::move(outer_);
}

DropoutDraws DropoutScope::current() {
  return draws_here;
}

at::Tensor item_dropout(const at::Tensor& x, double p, bool training) {
  if (!training || p == 0.0) return x;
  if (!draws_here.item_seeds) return at::dropout(x, p, true);
  const std::vector<std::uint64_t>& seeds = *draws_here.item_seeds;
  const std::uint32_t layer = draws_here.layer++;
  const auto items = static_cast<std::int64_t>(seeds.size());
  TORCH_CHECK(items > 0 && x.size(0) % items == 0, "dropout of ", x.size(0), " rows of ", items,
              " items");
  const std::int64_t count = x.numel() / items;
  const auto dropped = static_cast<std::uint64_t>(std::ldexp(p, 32));
  at::Tensor mask = at::empty(x.sizes(), at::TensorOptions().dtype(at::kFloat));
  float* out = mask.mutable_data_ptr<float>();
  at::parallel_for(0, items, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      draw_mask(seeds[static_cast<std::size_t>(i)], layer, dropped, count, out + i * count);
    }
  });
  // p = 1 leaves nothing, as in LibTorch.
  const double scale = p < 1.0 ? 1.0 / (1.0 - p) : 0.0;
  return x * mask.mul_(scale).to(x.device(), x.scalar_type());
}

}  // namespace echopath::nn
