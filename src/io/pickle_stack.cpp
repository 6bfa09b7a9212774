// The values of a pickle: arena, stack, marks and memo.
#include "io/pickle_machine.hpp"

namespace echopath::io {
namespace {

/// Values and memo entries of one file: far more than a checkpoint's, and within a few hundred MB.
constexpr std::size_t kMaxValues = 2'000'000;
constexpr std::size_t kMaxMemo = 2'000'000;
/// Items of all collections for each byte of the pickle. An item takes a byte to name, and is held
/// twice where a call takes its arguments; the constant is for the shortest pickles.
constexpr std::size_t kItemsPerByte = 2;
constexpr std::size_t kItemsOfShortPickles = 1000;

}  // namespace

void PickleMachine::push(PickleValue value) {
  if (values_.size() >= kMaxValues) {
    input_.fail("has over 2000000 values");
  }
  stack_.push_back(static_cast<PickleIndex>(values_.size()));
  values_.push_back(std::move(value));
}

void PickleMachine::push_integer(PickleKind kind, std::int64_t integer) {
  PickleValue value;
  value.kind = kind;
  value.integer = integer;
  push(std::move(value));
}

void PickleMachine::push_long(std::size_t length) {
  const std::string_view raw = input_.take(length);
  if (length > 8) {
    PickleValue value;
    value.kind = PickleKind::kBytes;
    value.text = raw;
    push(std::move(value));
    return;
  }
  std::uint64_t bits = 0;
  for (std::size_t i = 0; i < 8; ++i) {  // two's complement, the sign extended
    const bool negative = length > 0 && static_cast<std::int8_t>(raw[length - 1]) < 0;
    const std::uint64_t byte =
        i < length ? static_cast<std::uint8_t>(raw[i]) : (negative ? 0xFF : 0);
    bits |= byte << (8 * i);
  }
  push_integer(PickleKind::kInteger, static_cast<std::int64_t>(bits));
}

void PickleMachine::count_items(std::size_t count) {
  items_ += count;
  if (items_ > kItemsPerByte * input_.position() + kItemsOfShortPickles) {
    input_.fail("repeats its lists: they hold more items than its bytes name");
  }
}

void PickleMachine::push_items(PickleKind kind, std::vector<PickleIndex> items) {
  count_items(items.size());
  PickleValue value;
  value.kind = kind;
  value.items = std::move(items);
  push(std::move(value));
}

PickleIndex PickleMachine::top() const {
  if (stack_.size() <= (marks_.empty() ? 0 : marks_.back())) {
    input_.fail("takes a value from an empty stack");
  }
  return stack_.back();
}

PickleIndex PickleMachine::pop() {
  const PickleIndex index = top();
  stack_.pop_back();
  return index;
}

std::vector<PickleIndex> PickleMachine::pop_to_mark() {
  if (marks_.empty()) {
    input_.fail("ends a collection that it did not begin");
  }
  const auto begin = stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back());
  std::vector<PickleIndex> items(begin, stack_.end());
  stack_.erase(begin, stack_.end());
  marks_.pop_back();
  return items;
}

void PickleMachine::extend(std::vector<PickleIndex> items, PickleKind kind) {
  PickleValue& target = values_[top()];
  if (target.kind != kind || (kind == PickleKind::kDict && items.size() % 2 != 0)) {
    input_.fail("adds items to something that is no list or dictionary");
  }
  count_items(items.size());
  target.items.insert(target.items.end(), items.begin(), items.end());
}

void PickleMachine::memoize(PickleIndex key) {
  memo_[key] = top();
  if (memo_.size() > kMaxMemo) {
    input_.fail("stores over 2000000 values");
  }
}

}  // namespace echopath::io
