#pragma once

#include <cstdint>
#include <vector>

#include "echopath/data/batching.hpp"
#include "echopath/training/options.hpp"

namespace echopath::training {

/// The order in which a run draws its training items, whose classes `labels` are; `balanced`: each
/// class equally often.
inline data::BatchOrder make_order(const std::vector<std::int64_t>& labels, bool balanced,
                                   const LoopOptions& loop) {
  const auto seed = static_cast<std::uint64_t>(loop.seed);
  if (balanced) return {labels, loop.batch_size, seed};
  return {static_cast<std::int64_t>(labels.size()), loop.batch_size, seed};
}

}  // namespace echopath::training
