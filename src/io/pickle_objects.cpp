// What a pickle may say about Python objects: the few names that are known, and what becomes of
// them.
#include <algorithm>
#include <array>

#include "echopath/core/text.hpp"
#include "io/pickle_machine.hpp"
#include "io/pickle_opcodes.hpp"

namespace echopath::io {
namespace {

constexpr std::string_view kRebuildTensor = "torch._utils _rebuild_tensor_v2";
constexpr std::string_view kRebuildOldTensor = "torch._utils _rebuild_tensor";  // before torch 0.4
constexpr std::string_view kRebuildParameter = "torch._utils _rebuild_parameter";
constexpr std::string_view kOrderedDict = "collections OrderedDict";
/// ("storage", type, key, location, count[, view]).
constexpr std::size_t kMaxPersistentItems = 6;
/// (storage, offset, size, stride, requires_grad, hooks[, metadata]).
constexpr std::size_t kMaxTensorArguments = 7;

constexpr std::array<std::string_view, 16> kAllowedGlobals = {
    kRebuildTensor,
    kRebuildOldTensor,
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

}  // namespace

bool PickleMachine::use_object(std::uint8_t opcode) {
  switch (opcode) {
    case pickle::kGlobal: {
      const std::string module = input_.take_line();
      push_global(module, input_.take_line());
      return true;
    }
    case pickle::kStackGlobal: {
      const PickleValue& name = values_[pop()];
      const PickleValue& module = values_[pop()];
      if (name.kind != PickleKind::kText || module.kind != PickleKind::kText) {
        input_.fail("names a global by something else than texts");
      }
      push_global(module.text, name.text);
      return true;
    }
    case pickle::kBinPersistentId: {
      const PickleValue& tuple = values_[pop()];
      if (tuple.kind != PickleKind::kTuple) {
        input_.fail("has a persistent id that is no tuple");
      }
      if (tuple.items.size() > kMaxPersistentItems) {
        input_.fail("has a persistent id of more than 6 items");
      }
      push_items(PickleKind::kPersistent, tuple.items);
      return true;
    }
    case pickle::kReduce:
      reduce();
      return true;
    case pickle::kBuild:
      set_state();
      return true;
    default:
      return false;
  }
}

void PickleMachine::push_global(const std::string& module, const std::string& name) {
  PickleValue value;
  value.kind = PickleKind::kGlobal;
  value.text = module + " " + name;
  if (std::find(kAllowedGlobals.begin(), kAllowedGlobals.end(), value.text) ==
      kAllowedGlobals.end()) {
    input_.fail("names the Python object " + quoted_text(module + "." + name) +
                ", which is not among the few that are read; save plain tensors or a state_dict");
  }
  push(std::move(value));
}

void PickleMachine::reduce() {
  const PickleIndex arguments_index = pop();
  const PickleValue& callable = values_[pop()];
  const PickleValue& arguments = values_[arguments_index];
  if (callable.kind != PickleKind::kGlobal || arguments.kind != PickleKind::kTuple) {
    input_.fail("calls something that is not callable");
  }
  if ((callable.text == kRebuildTensor || callable.text == kRebuildOldTensor) &&
      arguments.items.size() <= kMaxTensorArguments) {
    push_items(PickleKind::kTensor, arguments.items);
  } else if (callable.text == kRebuildParameter && arguments.items.size() == 3) {
    stack_.push_back(arguments.items[0]);
  } else if (callable.text == kOrderedDict) {
    make_dict(arguments.items);
  } else {
    input_.fail("calls " + quoted_text(callable.text) + " with arguments that do not fit");
  }
}

/// OrderedDict() or OrderedDict([[key, value], …]).
void PickleMachine::make_dict(const std::vector<PickleIndex>& arguments) {
  PickleValue dict;
  dict.kind = PickleKind::kDict;
  if (arguments.size() > 1 ||
      (arguments.size() == 1 && values_[arguments[0]].kind != PickleKind::kList)) {
    input_.fail("makes an OrderedDict of something else than a list of pairs");
  }
  if (arguments.size() == 1) {
    for (const PickleIndex pair : values_[arguments[0]].items) {
      const std::vector<PickleIndex>& both = values_[pair].items;
      if (both.size() != 2) {
        input_.fail("makes an OrderedDict of something else than a list of pairs");
      }
      count_items(both.size());
      dict.items.insert(dict.items.end(), both.begin(), both.end());
    }
  }
  push(std::move(dict));
}

/// An OrderedDict's attributes (a state_dict's _metadata) hold no tensors and are dropped.
void PickleMachine::set_state() {
  pop();
  if (values_[top()].kind != PickleKind::kDict) {
    input_.fail("sets the state of something that is no dictionary");
  }
}

}  // namespace echopath::io
