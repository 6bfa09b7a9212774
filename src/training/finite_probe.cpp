#include "training/finite_probe.hpp"

#include <ATen/record_function.h>

#include <algorithm>
#include <string_view>
#include <unordered_map>

#include "echopath/core/text.hpp"

namespace echopath::training {
namespace {

constexpr std::size_t kMostItems = 8;

/// Whether a tensor holds a number that is not finite.
bool is_bad(const at::Tensor& tensor) {
  return tensor.defined() && tensor.is_floating_point() && tensor.numel() > 0 &&
         !at::isfinite(tensor).all().item<bool>();
}

bool is_bad(const c10::IValue& value) {
  if (value.isTensor()) return is_bad(value.toTensor());
  if (!value.isTensorList()) return false;
  const auto tensors = value.toTensorVector();
  return std::any_of(tensors.begin(), tensors.end(),
                     [](const at::Tensor& tensor) { return is_bad(tensor); });
}

/// Watches the operations of this thread, and of the backward passes it starts, for the first one
/// on a parameter that takes or gives a number that is not finite. Operations inside of another one
/// on a parameter are passed over: their buffers may hold anything.
class LayerWatch {
 public:
  explicit LayerWatch(const std::vector<NamedModule>& modules) {
    for (const NamedModule& module : modules) {
      for (const auto& item : module.module->named_parameters()) {
        names_[storage_of(item.value())] = module.name + "." + item.key();
      }
    }
    watching = this;
    handle_ = at::addThreadLocalCallback(
        at::RecordFunctionCallback(&begin, &end)
            .needsInputs(true)
            .needsOutputs(true)
            .scopes({at::RecordScope::FUNCTION, at::RecordScope::BACKWARD_FUNCTION}));
  }
  ~LayerWatch() {
    at::removeCallback(handle_);
    watching = nullptr;
  }
  LayerWatch(const LayerWatch&) = delete;
  LayerWatch& operator=(const LayerWatch&) = delete;

  /// "the output of 'lidm.conv_in'"; empty where nothing was found.
  const std::string& found() const { return found_; }
  /// From here on gradients are computed.
  void turn_back() { backward_ = true; }

 private:
  /// An operation under way.
  struct Operation : at::ObserverContext {
    std::string parameter;  ///< that it works on
    bool cast = false;
  };

  static const void* storage_of(const at::Tensor& tensor) {
    return tensor.has_storage() ? tensor.storage().unsafeGetStorageImpl() : nullptr;
  }
  static std::unique_ptr<at::ObserverContext> begin(const at::RecordFunction& function) {
    return watching == nullptr ? nullptr : watching->enter(function);
  }
  static void end(const at::RecordFunction& function, at::ObserverContext* context) {
    if (context != nullptr && watching != nullptr) {
      watching->leave(function, static_cast<Operation&>(*context));
    }
  }

  std::string parameter_among(c10::ArrayRef<const c10::IValue> values) const {
    for (const c10::IValue& value : values) {
      if (!value.isTensor() || !value.toTensor().defined()) continue;
      const auto found = names_.find(storage_of(value.toTensor()));
      if (found != names_.end()) return found->second;
    }
    return {};
  }

  std::unique_ptr<at::ObserverContext> enter(const at::RecordFunction& function) {
    if (inside_ || !found_.empty()) return nullptr;
    const at::DisableRecordFunctionGuard no_record;
    const std::string_view name = function.name();
    if (name.rfind("aten::", 0) != 0) return nullptr;
    auto operation = std::make_unique<Operation>();
    operation->parameter = parameter_among(function.inputs());
    if (operation->parameter.empty()) return nullptr;
    // Autocast's copy of a parameter stands for it.
    operation->cast = name == "aten::to" || name == "aten::_to_copy";
    for (const c10::IValue& input : function.inputs()) {
      if (!is_bad(input)) continue;
      const std::string own = parameter_among(input);
      if (own.empty()) {
        note(backward_ ? "the gradient that reaches '" : "the input of '",
             layer_of(operation->parameter));
      } else {
        note("the parameter '", own);
      }
    }
    inside_ = true;
    return operation;
  }

  void leave(const at::RecordFunction& function, const Operation& operation) {
    inside_ = false;
    const at::DisableRecordFunctionGuard no_record;
    for (const c10::IValue& output : function.outputs()) {
      if (operation.cast && output.isTensor()) {
        kept_.push_back(output.toTensor());  // or its storage could become another tensor's
        names_[storage_of(kept_.back())] = operation.parameter;
      }
      if (is_bad(output)) {
        note(backward_ ? "the gradient computed in '" : "the output of '",
             layer_of(operation.parameter));
      }
    }
  }

  static std::string layer_of(const std::string& parameter) {
    return parameter.substr(0, parameter.rfind('.'));
  }
  void note(const char* what, const std::string& name) {
    if (found_.empty()) found_ = what + name + "'";
  }

  /// The one at work. Its callbacks are of its thread and of the backward passes that it starts.
  static LayerWatch* watching;

  std::unordered_map<const void*, std::string> names_;
  std::vector<at::Tensor> kept_;
  at::CallbackHandle handle_ = 0;
  std::string found_;
  bool inside_ = false;
  bool backward_ = false;
};
LayerWatch* LayerWatch::watching = nullptr;

void clear_gradients(const std::vector<NamedModule>& modules) {
  for (const NamedParameter& parameter : named_parameters(modules)) {
    parameter.tensor.mutable_grad().reset();
  }
}

/// Whether the loss of this batch or a gradient of it is not finite.
bool comes_out_bad(const std::vector<NamedModule>& modules, const Batch& batch,
                   const RepeatedPass& pass, LayerWatch* watch) {
  clear_gradients(modules);
  const at::Tensor loss = pass.loss(batch);
  bool bad = is_bad(loss.detach());
  if (!bad) {
    if (watch != nullptr) watch->turn_back();
    loss.backward();
    const std::vector<NamedParameter> parameters = named_parameters(modules);
    bad = std::any_of(parameters.begin(), parameters.end(), [](const NamedParameter& parameter) {
      return is_bad(parameter.tensor.grad());
    });
  }
  clear_gradients(modules);
  return bad;
}

/// The name of a batch's tensor that is not finite itself; empty where all are.
std::string bad_data(const Batch& batch) {
  for (const auto& [name, tensor] : batch.tensors) {
    if (is_bad(tensor)) return name;
  }
  return {};
}

/// The items whose own rows of the data are not finite.
std::vector<std::string> items_with_bad_data(const Batch& batch) {
  std::vector<std::string> items;
  for (std::size_t i = 0; i < batch.items.size(); ++i) {
    for (const auto& [name, tensor] : batch.tensors) {
      if (tensor.dim() == 0 || static_cast<std::size_t>(tensor.size(0)) != batch.items.size()) {
        continue;
      }
      if (!is_bad(tensor[static_cast<std::int64_t>(i)])) continue;
      items.push_back(batch.items[i]);
      break;
    }
  }
  return items;
}

/// Adds the items of a bad batch that are bad alone, or the whole batch where none is.
void find_items(const std::vector<NamedModule>& modules, const Batch& batch,
                const RepeatedPass& pass, std::vector<std::string>& items) {
  const std::vector<std::int64_t>& positions = batch.at.positions;
  if (items.size() > kMostItems) return;
  if (positions.size() == 1) {
    items.push_back(batch.items.empty() ? "number " + std::to_string(positions.front())
                                        : batch.items.front());
    return;
  }
  const auto middle = positions.begin() + static_cast<std::ptrdiff_t>(positions.size() / 2);
  const std::size_t before = items.size();
  try {
    for (const std::vector<std::int64_t>& half :
         {std::vector<std::int64_t>(positions.begin(), middle),
          std::vector<std::int64_t>(middle, positions.end())}) {
      const Batch part = pass.load({batch.at.step, half});
      if (comes_out_bad(modules, part, pass, nullptr)) find_items(modules, part, pass, items);
    }
  } catch (const c10::Error&) {
    items.resize(before);  // normalisation over the batch has no statistics of so few items
  }
  // Where both halves are finite it takes them together.
  if (items.size() == before) items.insert(items.end(), batch.items.begin(), batch.items.end());
}

std::string listed(std::vector<std::string> items) {
  const bool more = items.size() > kMostItems;
  if (more) items.resize(kMostItems);
  return join(items, ", ") + (more ? " and more" : "");
}

}  // namespace

std::string explain_not_finite(const std::vector<NamedModule>& modules,
                               const std::vector<Batch>& batches, const RepeatedPass& pass) {
  std::string where;
  std::vector<std::string> items;
  for (const Batch& batch : batches) {
    std::string layer;
    {
      LayerWatch watch(modules);
      if (!comes_out_bad(modules, batch, pass, &watch)) continue;
      layer = watch.found();
    }
    const std::string data = bad_data(batch);
    if (where.empty()) {
      where = !data.empty()   ? "the data, in its tensor '" + data + "'"
              : layer.empty() ? "the loss itself, behind the last layer"
                              : layer;
    }
    const std::vector<std::string> with_bad_data = items_with_bad_data(batch);
    if (with_bad_data.empty()) {
      find_items(modules, batch, pass, items);
    } else {
      items.insert(items.end(), with_bad_data.begin(), with_bad_data.end());
    }
  }
  if (where.empty()) return {};
  return "first " + where + "; items: " + listed(std::move(items));
}

}  // namespace echopath::training
