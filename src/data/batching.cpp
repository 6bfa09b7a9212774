#include "echopath/data/batching.hpp"

#include <c10/util/Exception.h>

#include <map>
#include <numeric>

#include "echopath/core/errors.hpp"
#include "echopath/core/random.hpp"

namespace echopath::data {

BatchOrder::BatchOrder(std::int64_t items, std::int64_t global_batch, std::uint64_t seed)
    : global_batch_(global_batch), seed_(seed) {
  TORCH_CHECK(global_batch > 0, "a batch of ", global_batch);
  if (items < 1) throw DataError("there is nothing to draw batches from: the list is empty");
  groups_.emplace_back();
  groups_.front().items.resize(static_cast<std::size_t>(items));
  std::iota(groups_.front().items.begin(), groups_.front().items.end(), std::int64_t{0});
}

BatchOrder::BatchOrder(const std::vector<std::int64_t>& classes, std::int64_t global_batch,
                       std::uint64_t seed)
    : global_batch_(global_batch), seed_(seed) {
  TORCH_CHECK(global_batch > 0, "a batch of ", global_batch);
  if (classes.empty()) throw DataError("there is nothing to draw batches from: the list is empty");
  std::map<std::int64_t, std::vector<std::int64_t>> by_class;
  for (std::size_t i = 0; i < classes.size(); ++i) {
    by_class[classes[i]].push_back(static_cast<std::int64_t>(i));
  }
  for (auto& [label, items] : by_class) groups_.push_back({std::move(items), -1, {}});
}

std::int64_t BatchOrder::item_at(const Group& group, std::size_t group_index,
                                 std::int64_t position) const {
  const auto count = static_cast<std::int64_t>(group.items.size());
  const std::int64_t epoch = position / count;
  if (epoch != group.epoch) {
    group.order = permutation({seed_, Stream::kShuffle, static_cast<std::uint32_t>(epoch),
                               static_cast<std::uint32_t>(group_index)},
                              count);
    group.epoch = epoch;
  }
  return group
      .items[static_cast<std::size_t>(group.order[static_cast<std::size_t>(position % count)])];
}

std::vector<std::int64_t> BatchOrder::batch(std::int64_t step) const {
  std::vector<std::int64_t> items(static_cast<std::size_t>(global_batch_));
  const auto groups = static_cast<std::int64_t>(groups_.size());
  for (std::int64_t i = 0; i < global_batch_; ++i) {
    const std::int64_t position = step * global_batch_ + i;
    const auto group = static_cast<std::size_t>(position % groups);
    items[static_cast<std::size_t>(i)] = item_at(groups_[group], group, position / groups);
  }
  return items;
}

}  // namespace echopath::data
