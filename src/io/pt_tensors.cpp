#include "io/pt_tensors.hpp"

#include <algorithm>

#include "echopath/core/errors.hpp"
#include "echopath/core/text.hpp"

namespace echopath::io {
namespace {

constexpr int kMaxDepth = 64;
constexpr std::size_t kMaxKeyBytes = 1024;
constexpr std::size_t kMaxTensors = 100'000;
constexpr std::size_t kMaxVisits = 1'000'000;

at::ScalarType storage_dtype(const std::string& global, const std::string& source) {
  static const std::map<std::string, at::ScalarType> kDtypes = {
      {"torch DoubleStorage", at::kDouble},
      {"torch FloatStorage", at::kFloat},
      {"torch HalfStorage", at::kHalf},
      {"torch BFloat16Storage", at::kBFloat16},
      {"torch LongStorage", at::kLong},
      {"torch IntStorage", at::kInt},
      {"torch ShortStorage", at::kShort},
      {"torch CharStorage", at::kChar},
      {"torch ByteStorage", at::kByte},
      {"torch BoolStorage", at::kBool},
      {"torch.storage UntypedStorage", at::kByte},
  };
  const auto found = kDtypes.find(global);
  if (found == kDtypes.end()) {
    throw DataError(source + ": its pickle uses " + quoted_text(global) + " as a storage type");
  }
  return found->second;
}

/// A reference ("storage", type, key, location, count[, None or view]) to a storage, or to a view
/// (key, offset, count) of one, which torch before 0.4 wrote.
struct StorageReference {
  const std::string& key;
  std::int64_t view_begin = 0;
  std::int64_t view_count = -1;  ///< elements; −1: the whole storage
};

StorageReference storage_reference(const PickleMachine& machine, const PickleValue& reference,
                                   const std::string& source) {
  const auto is = [&](const PickleValue& tuple, std::size_t i, PickleKind kind) {
    return machine.value(tuple.items[i]).kind == kind;
  };
  const std::size_t size = reference.items.size();
  bool known = (size == 5 || size == 6) && is(reference, 0, PickleKind::kText) &&
               is(reference, 1, PickleKind::kGlobal) && is(reference, 2, PickleKind::kText) &&
               is(reference, 4, PickleKind::kInteger) &&
               machine.value(reference.items[0]).text == "storage" &&
               machine.value(reference.items[4]).integer >= 0;
  const PickleValue* view = known && size == 6 ? &machine.value(reference.items[5]) : nullptr;
  const bool is_view = view != nullptr && view->kind == PickleKind::kTuple;
  known = known && (view == nullptr || view->kind == PickleKind::kNone ||
                    (is_view && view->items.size() == 3 && is(*view, 1, PickleKind::kInteger) &&
                     is(*view, 2, PickleKind::kInteger)));
  if (!known) {
    throw DataError(source + ": its pickle has a storage reference of an unknown form");
  }
  StorageReference result{machine.value(reference.items[2]).text};
  if (is_view) {
    const std::int64_t count = machine.value(reference.items[4]).integer;
    result.view_begin = machine.value(view->items[1]).integer;
    result.view_count = machine.value(view->items[2]).integer;
    if (result.view_begin < 0 || result.view_begin > count || result.view_count < 0 ||
        result.view_count > count - result.view_begin) {
      throw DataError(source + ": a view of storage " + quoted_text(result.key) +
                      " lies outside its " + std::to_string(count) + " elements");
    }
  }
  return result;
}

class Collector {
 public:
  Collector(const PickleMachine& machine, const TensorMap& storages, const std::string& source)
      : machine_(machine), storages_(storages), source_(source) {}

  void visit(PickleIndex index, const std::string& key, int depth) {
    if (depth > kMaxDepth || ++visits_ > kMaxVisits || key.size() > kMaxKeyBytes ||
        tensors_.size() > kMaxTensors) {
      throw DataError(source_ +
                      ": its dictionaries are nested over 64 levels, refer to themselves "
                      "or are too large");
    }
    const PickleValue& value = machine_.value(index);
    switch (value.kind) {
      case PickleKind::kTensor:
        add(key, rebuild(value, key));
        break;
      case PickleKind::kDict:
        for (std::size_t i = 0; i < value.items.size(); i += 2) {
          visit(value.items[i + 1], joined(key, key_text(value.items[i])), depth + 1);
        }
        break;
      case PickleKind::kList:
      case PickleKind::kTuple:
        for (std::size_t i = 0; i < value.items.size(); ++i) {
          visit(value.items[i], joined(key, std::to_string(i)), depth + 1);
        }
        break;
      default:
        break;
    }
  }

  TensorMap take() { return std::move(tensors_); }

 private:
  static std::string joined(const std::string& prefix, const std::string& key) {
    return prefix.empty() ? key : prefix + "." + key;
  }

  std::string key_text(PickleIndex index) const {
    const PickleValue& key = machine_.value(index);
    if (key.kind == PickleKind::kInteger) {
      return std::to_string(key.integer);
    }
    if (key.kind != PickleKind::kText) {
      throw DataError(source_ + ": a dictionary key is neither a text nor an integer");
    }
    return key.text;
  }

  void add(const std::string& key, at::Tensor tensor) {
    if (!tensors_.emplace(key, std::move(tensor)).second) {
      throw DataError(source_ + ": two tensors have the key " + quoted_text(key));
    }
  }

  [[noreturn]] void fail(const std::string& key, const std::string& what) const {
    throw DataError(source_ + ": tensor " + quoted_text(key) + " " + what);
  }

  /// A tuple of non-negative integers.
  std::vector<std::int64_t> numbers(PickleIndex index, const std::string& key) const {
    const PickleValue& tuple = machine_.value(index);
    std::vector<std::int64_t> result;
    for (const PickleIndex item : tuple.items) {
      const PickleValue& number = machine_.value(item);
      if (number.kind != PickleKind::kInteger || number.integer < 0) {
        fail(key, "has a size or stride that is no natural number");
      }
      result.push_back(number.integer);
    }
    if (tuple.kind != PickleKind::kTuple || result.size() > 64) {
      fail(key, "has sizes or strides that are no tuple of up to 64 numbers");
    }
    return result;
  }

  /// _rebuild_tensor(storage, storage_offset, size, stride), and _rebuild_tensor_v2 with
  /// requires_grad, hooks and perhaps metadata behind them.
  at::Tensor rebuild(const PickleValue& value, const std::string& key) const {
    if (value.items.size() < 4 || value.items.size() > 7 ||
        machine_.value(value.items[0]).kind != PickleKind::kPersistent ||
        machine_.value(value.items[1]).kind != PickleKind::kInteger) {
      fail(key, "is described in an unknown form");
    }
    const StorageReference reference =
        storage_reference(machine_, machine_.value(value.items[0]), source_);
    at::Tensor storage = storages_.at(reference.key);
    if (reference.view_count >= 0) {
      storage = storage.narrow(0, reference.view_begin, reference.view_count);
    }
    const std::int64_t offset = machine_.value(value.items[1]).integer;
    const std::vector<std::int64_t> sizes = numbers(value.items[2], key);
    const std::vector<std::int64_t> strides = numbers(value.items[3], key);
    check_within(sizes, strides, offset, storage.numel(), key);
    return storage.as_strided(sizes, strides, storage.storage_offset() + offset);
  }

  void check_within(const std::vector<std::int64_t>& sizes,
                    const std::vector<std::int64_t>& strides, std::int64_t offset,
                    std::int64_t available, const std::string& key) const {
    if (sizes.size() != strides.size() || offset < 0 || offset > available) {
      fail(key, "has sizes, strides and an offset that do not fit together");
    }
    std::int64_t count = 1;
    std::int64_t last = offset;
    bool empty = false;
    for (std::size_t i = 0; i < sizes.size(); ++i) {
      std::int64_t reach = 0;
      empty = empty || sizes[i] == 0;
      if (__builtin_mul_overflow(count, std::max<std::int64_t>(sizes[i], 1), &count) ||
          __builtin_mul_overflow(std::max<std::int64_t>(sizes[i] - 1, 0), strides[i], &reach) ||
          __builtin_add_overflow(last, reach, &last)) {
        fail(key, "has sizes that overflow 64 bits");
      }
    }
    if (!empty && last >= available) {
      fail(key, "reaches to element " + std::to_string(last) + " of a storage of " +
                    std::to_string(available));
    }
    if (!empty && count > available) {
      fail(key, "repeats the elements of its storage; save a contiguous copy");
    }
  }

  const PickleMachine& machine_;
  const TensorMap& storages_;
  const std::string& source_;
  TensorMap tensors_;
  std::size_t visits_ = 0;
};

}  // namespace

std::map<std::string, PtStorage> announced_storages(const PickleMachine& machine,
                                                    std::uint64_t max_bytes,
                                                    const std::string& source) {
  std::map<std::string, PtStorage> storages;
  std::uint64_t total = 0;
  for (const PickleValue& reference : machine.values()) {
    if (reference.kind != PickleKind::kPersistent) {
      continue;
    }
    const std::string& key = storage_reference(machine, reference, source).key;
    PtStorage storage;
    storage.dtype = storage_dtype(machine.value(reference.items[1]).text, source);
    storage.count = static_cast<std::uint64_t>(machine.value(reference.items[4]).integer);
    const auto [place, is_new] = storages.emplace(key, storage);
    if (!is_new) {
      if (place->second.dtype != storage.dtype || place->second.count != storage.count) {
        throw DataError(source + ": storage " + quoted_text(key) +
                        " is described in two ways that contradict each other");
      }
      continue;
    }
    if (storage.count > max_bytes / at::elementSize(storage.dtype) ||
        (total += storage.bytes()) > max_bytes) {
      throw DataError(source + ": storage " + quoted_text(key) + " of " +
                      std::to_string(storage.count) +
                      " elements does not fit in the file; it is cut off or damaged");
    }
  }
  return storages;
}

TensorMap collect_tensors(const PickleMachine& machine, PickleIndex root, const TensorMap& storages,
                          const std::string& source) {
  Collector collector(machine, storages, source);
  collector.visit(root, "", 0);
  TensorMap tensors = collector.take();
  if (tensors.empty()) {
    throw DataError(source + ": holds no tensor");
  }
  return tensors;
}

}  // namespace echopath::io
