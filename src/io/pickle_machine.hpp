#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "io/pickle_input.hpp"

namespace echopath::io {

/// Place of a value in its machine.
using PickleIndex = std::uint32_t;

enum class PickleKind {
  kNone,
  kBool,        ///< integer
  kInteger,     ///< integer
  kReal,        ///< real
  kText,        ///< text
  kBytes,       ///< text; also an integer of more than 8 bytes, little-endian
  kTuple,       ///< items
  kList,        ///< items
  kDict,        ///< items: key, value, key, value…
  kGlobal,      ///< text: "module name", one of the allowed
  kPersistent,  ///< items: the tuple that names something outside the pickle
  kTensor,      ///< items: the arguments of torch._utils._rebuild_tensor or _rebuild_tensor_v2
};

struct PickleValue {
  PickleKind kind = PickleKind::kNone;
  std::int64_t integer = 0;
  double real = 0.0;
  std::string text;
  std::vector<PickleIndex> items;
};

/// Reads pickles (protocols 2 to 5) of what torch.save writes. Values live in one arena and refer
/// to each other by index, so that deep nesting and cycles cost neither stack nor memory. A global
/// that is not on the fixed list stops the reading, and none is ever called.
class PickleMachine {
 public:
  /// `source` starts error messages; the bytes must outlive the machine.
  PickleMachine(std::string_view bytes, std::string source);

  /// Reads one pickle from the current position to its STOP; stack and memo start empty. Throws
  /// DataError.
  PickleIndex run();
  /// Bytes read so far.
  std::size_t position() const { return input_.position(); }

  const PickleValue& value(PickleIndex index) const { return values_[index]; }
  const std::deque<PickleValue>& values() const { return values_; }

 private:
  bool push_constant(std::uint8_t opcode);
  bool push_text(std::uint8_t opcode);
  bool build_collection(std::uint8_t opcode);
  bool use_memo(std::uint8_t opcode);
  bool use_object(std::uint8_t opcode);

  void push(PickleValue value);
  void push_integer(PickleKind kind, std::int64_t value);
  void push_long(std::size_t length);
  void push_items(PickleKind kind, std::vector<PickleIndex> items);
  /// Counts items that a collection is about to hold; DataError where they are more than the bytes
  /// read so far can have named, so that one list cannot be copied over and over.
  void count_items(std::size_t count);
  void push_global(const std::string& module, const std::string& name);
  PickleIndex pop();
  PickleIndex top() const;
  std::vector<PickleIndex> pop_to_mark();
  void extend(std::vector<PickleIndex> items, PickleKind kind);
  void memoize(PickleIndex key);
  void reduce();
  void make_dict(const std::vector<PickleIndex>& arguments);
  void set_state();

  PickleInput input_;
  std::deque<PickleValue> values_;
  std::vector<PickleIndex> stack_;
  std::vector<std::size_t> marks_;
  std::unordered_map<PickleIndex, PickleIndex> memo_;
  std::size_t items_ = 0;  ///< of all collections
};

}  // namespace echopath::io
