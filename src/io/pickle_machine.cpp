#include "io/pickle_machine.hpp"

#include <algorithm>
#include <array>
#include <bit>

#include "echopath/core/errors.hpp"
#include "echopath/core/text.hpp"

namespace echopath::io {
namespace {

/// Values and memo entries of one file: far more than a checkpoint's, and within a few hundred MB.
constexpr std::size_t kMaxValues = 2'000'000;
constexpr std::size_t kMaxMemo = 2'000'000;
constexpr std::uint64_t kNewestProtocol = 5;

constexpr std::string_view kRebuildTensor = "torch._utils _rebuild_tensor_v2";
constexpr std::string_view kRebuildParameter = "torch._utils _rebuild_parameter";
constexpr std::string_view kOrderedDict = "collections OrderedDict";

constexpr std::array<std::string_view, 15> kAllowedGlobals = {
    kRebuildTensor,
    kRebuildParameter,
    kOrderedDict,
    "torch DoubleStorage",
    "torch FloatStorage",
    "torch HalfStorage",
    "torch BFloat16Storage",
    "torch LongStorage",
    "torch IntStorage",
    "torch ShortStorage",
    "torch CharStorage",
    "torch ByteStorage",
    "torch BoolStorage",
    "torch.storage UntypedStorage",
    "torch.storage TypedStorage",
};

/// The opcodes of Python's pickletools that occur in such files.
enum Opcode : std::uint8_t {
  kMark = '(',
  kStop = '.',
  kPop = '0',
  kPopMark = '1',
  kBinFloat = 'G',
  kBinInt = 'J',
  kBinInt1 = 'K',
  kBinInt2 = 'M',
  kNone = 'N',
  kBinPersistentId = 'Q',
  kReduce = 'R',
  kBinString = 'T',
  kShortBinString = 'U',
  kBinUnicode = 'X',
  kEmptyList = ']',
  kAppend = 'a',
  kBuild = 'b',
  kGlobal = 'c',
  kAppends = 'e',
  kBinGet = 'h',
  kLongBinGet = 'j',
  kBinPut = 'q',
  kLongBinPut = 'r',
  kSetItem = 's',
  kTuple = 't',
  kSetItems = 'u',
  kEmptyDict = '}',
  kEmptyTuple = ')',
  kBinBytes = 'B',
  kShortBinBytes = 'C',
  kProtocol = 0x80,
  kTuple1 = 0x85,
  kTuple2 = 0x86,
  kTuple3 = 0x87,
  kNewTrue = 0x88,
  kNewFalse = 0x89,
  kLong1 = 0x8a,
  kShortBinUnicode = 0x8c,
  kBinUnicode8 = 0x8d,
  kStackGlobal = 0x93,
  kMemoize = 0x94,
  kFrame = 0x95,
};

std::string hexadecimal(std::uint8_t byte) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  return {'0', 'x', kDigits[byte >> 4], kDigits[byte & 15]};
}

}  // namespace

PickleMachine::PickleMachine(std::string_view bytes, std::string source)
    : bytes_(bytes), source_(std::move(source)) {}

PickleIndex PickleMachine::run() {
  stack_.clear();
  marks_.clear();
  memo_.clear();
  for (;;) {
    const auto opcode = static_cast<std::uint8_t>(take_unsigned(1));
    if (opcode == kStop) {
      return pop();
    }
    if (!push_constant(opcode) && !push_text(opcode) && !build_collection(opcode) &&
        !use_memo(opcode) && !use_object(opcode)) {
      fail("has the unknown opcode " + hexadecimal(opcode));
    }
  }
}

bool PickleMachine::push_constant(std::uint8_t opcode) {
  switch (opcode) {
    case kProtocol:
      if (take_unsigned(1) > kNewestProtocol) {
        fail("has a protocol that is newer than 5");
      }
      return true;
    case kFrame:
      take_unsigned(8);  // the length of a block, for readers that fetch blocks
      return true;
    case kNone:
      push({});
      return true;
    case kNewTrue:
    case kNewFalse:
      push_integer(PickleKind::kBool, opcode == kNewTrue ? 1 : 0);
      return true;
    case kBinInt:
      push_integer(PickleKind::kInteger, static_cast<std::int32_t>(take_unsigned(4)));
      return true;
    case kBinInt1:
      push_integer(PickleKind::kInteger, static_cast<std::int64_t>(take_unsigned(1)));
      return true;
    case kBinInt2:
      push_integer(PickleKind::kInteger, static_cast<std::int64_t>(take_unsigned(2)));
      return true;
    case kLong1:
      push_long(take_unsigned(1));
      return true;
    case kBinFloat: {
      std::uint64_t bits = 0;
      for (const char byte : take(8)) {  // big-endian
        bits = bits << 8 | static_cast<std::uint8_t>(byte);
      }
      PickleValue value;
      value.kind = PickleKind::kReal;
      value.real = std::bit_cast<double>(bits);
      push(std::move(value));
      return true;
    }
    default:
      return false;
  }
}

bool PickleMachine::push_text(std::uint8_t opcode) {
  std::size_t width = 0;
  PickleValue value;
  value.kind = PickleKind::kText;
  switch (opcode) {
    case kShortBinBytes:
      value.kind = PickleKind::kBytes;
      [[fallthrough]];
    case kShortBinString:
    case kShortBinUnicode:
      width = 1;
      break;
    case kBinBytes:
      value.kind = PickleKind::kBytes;
      [[fallthrough]];
    case kBinString:
    case kBinUnicode:
      width = 4;
      break;
    case kBinUnicode8:
      width = 8;
      break;
    default:
      return false;
  }
  value.text = take(take_unsigned(width));
  push(std::move(value));
  return true;
}

bool PickleMachine::build_collection(std::uint8_t opcode) {
  switch (opcode) {
    case kMark:
      marks_.push_back(stack_.size());
      return true;
    case kPop:
      pop();
      return true;
    case kPopMark:
      pop_to_mark();
      return true;
    case kEmptyTuple:
      push_items(PickleKind::kTuple, {});
      return true;
    case kEmptyList:
      push_items(PickleKind::kList, {});
      return true;
    case kEmptyDict:
      push_items(PickleKind::kDict, {});
      return true;
    case kTuple:
      push_items(PickleKind::kTuple, pop_to_mark());
      return true;
    case kTuple1:
    case kTuple2:
    case kTuple3: {
      std::vector<PickleIndex> items(static_cast<std::size_t>(opcode - kTuple1 + 1));
      std::generate(items.rbegin(), items.rend(), [this] { return pop(); });
      push_items(PickleKind::kTuple, std::move(items));
      return true;
    }
    case kAppend:
      extend({pop()}, PickleKind::kList);
      return true;
    case kAppends:
      extend(pop_to_mark(), PickleKind::kList);
      return true;
    case kSetItem: {
      const PickleIndex value = pop();
      extend({pop(), value}, PickleKind::kDict);
      return true;
    }
    case kSetItems:
      extend(pop_to_mark(), PickleKind::kDict);
      return true;
    default:
      return false;
  }
}

bool PickleMachine::use_memo(std::uint8_t opcode) {
  switch (opcode) {
    case kBinPut:
    case kLongBinPut:
      memoize(static_cast<PickleIndex>(take_unsigned(opcode == kBinPut ? 1 : 4)));
      return true;
    case kMemoize:
      memoize(static_cast<PickleIndex>(memo_.size()));
      return true;
    case kBinGet:
    case kLongBinGet: {
      const auto found =
          memo_.find(static_cast<PickleIndex>(take_unsigned(opcode == kBinGet ? 1 : 4)));
      if (found == memo_.end()) {
        fail("refers to a value that it did not store");
      }
      stack_.push_back(found->second);
      return true;
    }
    default:
      return false;
  }
}

bool PickleMachine::use_object(std::uint8_t opcode) {
  switch (opcode) {
    case kGlobal: {
      const std::string module = take_line();
      push_global(module, take_line());
      return true;
    }
    case kStackGlobal: {
      const PickleValue& name = values_[pop()];
      const PickleValue& module = values_[pop()];
      if (name.kind != PickleKind::kText || module.kind != PickleKind::kText) {
        fail("names a global by something else than texts");
      }
      push_global(module.text, name.text);
      return true;
    }
    case kBinPersistentId: {
      const PickleValue& tuple = values_[pop()];
      if (tuple.kind != PickleKind::kTuple) {
        fail("has a persistent id that is no tuple");
      }
      push_items(PickleKind::kPersistent, tuple.items);
      return true;
    }
    case kReduce:
      reduce();
      return true;
    case kBuild:
      set_state();
      return true;
    default:
      return false;
  }
}

void PickleMachine::push(PickleValue value) {
  if (values_.size() >= kMaxValues) {
    fail("has over 2000000 values");
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
  const std::string_view raw = take(length);
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

void PickleMachine::push_items(PickleKind kind, std::vector<PickleIndex> items) {
  PickleValue value;
  value.kind = kind;
  value.items = std::move(items);
  push(std::move(value));
}

void PickleMachine::push_global(const std::string& module, const std::string& name) {
  PickleValue value;
  value.kind = PickleKind::kGlobal;
  value.text = module + " " + name;
  if (std::find(kAllowedGlobals.begin(), kAllowedGlobals.end(), value.text) ==
      kAllowedGlobals.end()) {
    fail("names the Python object " + quoted_text(module + "." + name) +
         ", which is not among the few that are read; save plain tensors or a state_dict");
  }
  push(std::move(value));
}

PickleIndex PickleMachine::top() const {
  if (stack_.size() <= (marks_.empty() ? 0 : marks_.back())) {
    fail("takes a value from an empty stack");
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
    fail("ends a collection that it did not begin");
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
    fail("adds items to something that is no list or dictionary");
  }
  target.items.insert(target.items.end(), items.begin(), items.end());
}

void PickleMachine::memoize(PickleIndex key) {
  memo_[key] = top();
  if (memo_.size() > kMaxMemo) {
    fail("stores over 2000000 values");
  }
}

void PickleMachine::reduce() {
  const PickleIndex arguments_index = pop();
  const PickleValue& callable = values_[pop()];
  const PickleValue& arguments = values_[arguments_index];
  if (callable.kind != PickleKind::kGlobal || arguments.kind != PickleKind::kTuple) {
    fail("calls something that is not callable");
  }
  if (callable.text == kRebuildTensor) {
    push_items(PickleKind::kTensor, arguments.items);
  } else if (callable.text == kRebuildParameter && arguments.items.size() == 3) {
    stack_.push_back(arguments.items[0]);
  } else if (callable.text == kOrderedDict) {
    make_dict(arguments.items);
  } else {
    fail("calls " + quoted_text(callable.text) + " with arguments that do not fit");
  }
}

/// OrderedDict() or OrderedDict([[key, value], …]).
void PickleMachine::make_dict(const std::vector<PickleIndex>& arguments) {
  std::vector<PickleIndex> items;
  if (arguments.size() > 1 ||
      (arguments.size() == 1 && values_[arguments[0]].kind != PickleKind::kList)) {
    fail("makes an OrderedDict of something else than a list of pairs");
  }
  if (arguments.size() == 1) {
    for (const PickleIndex pair : values_[arguments[0]].items) {
      const std::vector<PickleIndex>& both = values_[pair].items;
      if (both.size() != 2) {
        fail("makes an OrderedDict of something else than a list of pairs");
      }
      items.insert(items.end(), both.begin(), both.end());
    }
  }
  push_items(PickleKind::kDict, std::move(items));
}

/// An OrderedDict's attributes (a state_dict's _metadata) hold no tensors and are dropped.
void PickleMachine::set_state() {
  pop();
  if (values_[top()].kind != PickleKind::kDict) {
    fail("sets the state of something that is no dictionary");
  }
}

std::string_view PickleMachine::take(std::size_t length) {
  if (length > bytes_.size() - position_) {
    fail("is cut off");
  }
  const std::string_view taken = bytes_.substr(position_, length);
  position_ += length;
  return taken;
}

std::string PickleMachine::take_line() {
  const std::size_t end = bytes_.find('\n', position_);
  if (end == std::string_view::npos) {
    fail("is cut off");
  }
  const std::string_view line = take(end - position_);
  take(1);
  return std::string(line);
}

std::uint64_t PickleMachine::take_unsigned(std::size_t width) {
  std::uint64_t number = 0;
  const std::string_view raw = take(width);
  for (std::size_t i = 0; i < width; ++i) {
    number |= static_cast<std::uint64_t>(static_cast<std::uint8_t>(raw[i])) << (8 * i);
  }
  return number;
}

void PickleMachine::fail(const std::string& what) const {
  throw DataError(source_ + ": its pickle " + what + " (byte " + std::to_string(position_) + ")");
}

}  // namespace echopath::io
