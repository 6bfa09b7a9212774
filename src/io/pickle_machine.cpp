#include "io/pickle_machine.hpp"

#include <algorithm>
#include <bit>

#include "io/pickle_opcodes.hpp"

namespace echopath::io {
namespace {

constexpr std::uint64_t kNewestProtocol = 5;

std::string hexadecimal(std::uint8_t byte) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  return {'0', 'x', kDigits[byte >> 4], kDigits[byte & 15]};
}

}  // namespace

PickleMachine::PickleMachine(std::string_view bytes, std::string source)
    : input_(bytes, std::move(source)) {}

PickleIndex PickleMachine::run() {
  stack_.clear();
  marks_.clear();
  memo_.clear();
  for (;;) {
    const auto opcode = static_cast<std::uint8_t>(input_.take_unsigned(1));
    if (opcode == pickle::kStop) {
      return pop();
    }
    if (!push_constant(opcode) && !push_text(opcode) && !build_collection(opcode) &&
        !use_memo(opcode) && !use_object(opcode)) {
      input_.fail("has the unknown opcode " + hexadecimal(opcode));
    }
  }
}

bool PickleMachine::push_constant(std::uint8_t opcode) {
  switch (opcode) {
    case pickle::kProtocol:
      if (input_.take_unsigned(1) > kNewestProtocol) {
        input_.fail("has a protocol that is newer than 5");
      }
      return true;
    case pickle::kFrame:
      input_.take_unsigned(8);  // the length of a block, for readers that fetch blocks
      return true;
    case pickle::kNone:
      push({});
      return true;
    case pickle::kNewTrue:
    case pickle::kNewFalse:
      push_integer(PickleKind::kBool, opcode == pickle::kNewTrue ? 1 : 0);
      return true;
    case pickle::kBinInt:
      push_integer(PickleKind::kInteger, static_cast<std::int32_t>(input_.take_unsigned(4)));
      return true;
    case pickle::kBinInt1:
      push_integer(PickleKind::kInteger, static_cast<std::int64_t>(input_.take_unsigned(1)));
      return true;
    case pickle::kBinInt2:
      push_integer(PickleKind::kInteger, static_cast<std::int64_t>(input_.take_unsigned(2)));
      return true;
    case pickle::kLong1:
      push_long(input_.take_unsigned(1));
      return true;
    case pickle::kBinFloat: {
      std::uint64_t bits = 0;
      for (const char byte : input_.take(8)) {  // big-endian
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
    case pickle::kShortBinBytes:
      value.kind = PickleKind::kBytes;
      [[fallthrough]];
    case pickle::kShortBinString:
    case pickle::kShortBinUnicode:
      width = 1;
      break;
    case pickle::kBinBytes:
      value.kind = PickleKind::kBytes;
      [[fallthrough]];
    case pickle::kBinString:
    case pickle::kBinUnicode:
      width = 4;
      break;
    case pickle::kBinUnicode8:
      width = 8;
      break;
    default:
      return false;
  }
  value.text = input_.take(input_.take_unsigned(width));
  push(std::move(value));
  return true;
}

bool PickleMachine::build_collection(std::uint8_t opcode) {
  switch (opcode) {
    case pickle::kMark:
      marks_.push_back(stack_.size());
      return true;
    case pickle::kPop:
      pop();
      return true;
    case pickle::kPopMark:
      pop_to_mark();
      return true;
    case pickle::kEmptyTuple:
      push_items(PickleKind::kTuple, {});
      return true;
    case pickle::kEmptyList:
      push_items(PickleKind::kList, {});
      return true;
    case pickle::kEmptyDict:
      push_items(PickleKind::kDict, {});
      return true;
    case pickle::kTuple:
      push_items(PickleKind::kTuple, pop_to_mark());
      return true;
    case pickle::kTuple1:
    case pickle::kTuple2:
    case pickle::kTuple3: {
      std::vector<PickleIndex> items(static_cast<std::size_t>(opcode - pickle::kTuple1 + 1));
      std::generate(items.rbegin(), items.rend(), [this] { return pop(); });
      push_items(PickleKind::kTuple, std::move(items));
      return true;
    }
    case pickle::kAppend:
      extend({pop()}, PickleKind::kList);
      return true;
    case pickle::kAppends:
      extend(pop_to_mark(), PickleKind::kList);
      return true;
    case pickle::kSetItem: {
      const PickleIndex value = pop();
      extend({pop(), value}, PickleKind::kDict);
      return true;
    }
    case pickle::kSetItems:
      extend(pop_to_mark(), PickleKind::kDict);
      return true;
    default:
      return false;
  }
}

bool PickleMachine::use_memo(std::uint8_t opcode) {
  switch (opcode) {
    case pickle::kBinPut:
    case pickle::kLongBinPut:
      memoize(static_cast<PickleIndex>(input_.take_unsigned(opcode == pickle::kBinPut ? 1 : 4)));
      return true;
    case pickle::kMemoize:
      memoize(static_cast<PickleIndex>(memo_.size()));
      return true;
    case pickle::kBinGet:
    case pickle::kLongBinGet: {
      const auto found = memo_.find(
          static_cast<PickleIndex>(input_.take_unsigned(opcode == pickle::kBinGet ? 1 : 4)));
      if (found == memo_.end()) {
        input_.fail("refers to a value that it did not store");
      }
      stack_.push_back(found->second);
      return true;
    }
    default:
      return false;
  }
}

}  // namespace echopath::io
