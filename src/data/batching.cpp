#include "echopath/data/batching.hpp"

#include <c10/util/Exception.h>

#include <map>
#include <mutex>
#include <numeric>

#include "echopath/core/errors.hpp"
#include "echopath/core/random.hpp"

namespace echopath::data {
namespace {

constexpr std::size_t kEpochsHeld = 2;

}  // namespace

struct BatchOrder::Recent {
  std::mutex mutex;
  /// By group, then by epoch.
  std::map<std::size_t, std::map<std::int64_t, Permutation>> orders;
};

BatchOrder::BatchOrder(std::int64_t items, std::int64_t global_batch, std::uint64_t seed)
    : global_batch_(global_batch), seed_(seed), recent_(std::make_shared<Recent>()) {
  TORCH_CHECK(global_batch > 0, "a batch of ", global_batch);
  if (items < 1) throw DataError("there is nothing to draw batches from: the list is empty");
  groups_.emplace_back();
  groups_.front().resize(static_cast<std::size_t>(items));
  std::iota(groups_.front().begin(), groups_.front().end(), std::int64_t{0});
}

BatchOrder::BatchOrder(const std::vector<std::int64_t>& classes, std::int64_t global_batch,
                       std::uint64_t seed)
    : global_batch_(global_batch), seed_(seed), recent_(std::make_shared<Recent>()) {
  TORCH_CHECK(global_batch > 0, "a batch of ", global_batch);
  if (classes.empty()) throw DataError("there is nothing to draw batches from: the list is empty");
  std::map<std::int64_t, std::vector<std::int64_t>> by_class;
  for (std::size_t i = 0; i < classes.size(); ++i) {
    by_class[classes[i]].push_back(static_cast<std::int64_t>(i));
  }
  for (auto& [label, items] : by_class) groups_.push_back(std::move(items));
}

BatchOrder::Permutation BatchOrder::order_of(std::size_t group, std::int64_t epoch) const {
  const std::lock_guard lock(recent_->mutex);
  auto& held = recent_->orders[group];
  const auto found = held.find(epoch);
  if (found != held.end()) return found->second;
  // A reader that runs ahead is in the next epoch while another is in this one.
  if (held.size() >= kEpochsHeld) held.erase(held.begin());
  return held[epoch] = std::make_shared<const std::vector<std::int64_t>>(
             permutation({seed_, Stream::kShuffle, static_cast<std::uint32_t>(epoch),
                          static_cast<std::uint32_t>(group)},
                         static_cast<std::int64_t>(groups_[group].size())));
}

std::vector<std::int64_t> BatchOrder::items(std::int64_t step,
                                            const std::vector<std::int64_t>& positions) const {
  std::vector<std::int64_t> items;
  items.reserve(positions.size());
  const auto groups = static_cast<std::int64_t>(groups_.size());
  std::vector<std::pair<std::int64_t, Permutation>> current(groups_.size(), {-1, nullptr});
  for (const std::int64_t in_batch : positions) {
    const std::int64_t position = step * global_batch_ + in_batch;
    const auto index = static_cast<std::size_t>(position % groups);
    const std::vector<std::int64_t>& group = groups_[index];
    const auto count = static_cast<std::int64_t>(group.size());
    const std::int64_t place = position / groups;
    auto& [epoch, order] = current[index];
    if (!order || epoch != place / count) {
      epoch = place / count;
      order = order_of(index, epoch);
    }
    items.push_back(
        group[static_cast<std::size_t>((*order)[static_cast<std::size_t>(place % count)])]);
  }
  return items;
}

std::vector<std::int64_t> BatchOrder::batch(std::int64_t step) const {
  std::vector<std::int64_t> positions(static_cast<std::size_t>(global_batch_));
  std::iota(positions.begin(), positions.end(), std::int64_t{0});
  return items(step, positions);
}

}  // namespace echopath::data
