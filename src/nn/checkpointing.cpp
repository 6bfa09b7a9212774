#include "echopath/nn/checkpointing.hpp"

#include <ATen/Context.h>
#include <ATen/autocast_mode.h>

#include <mutex>

#include "echopath/nn/dropout.hpp"

namespace echopath::nn {

namespace {

thread_local bool enabled_here = false;

/// What a segment's result depends on besides its inputs and parameters.
struct Surroundings {
  at::Tensor random_state;  ///< of the device's default generator
  bool autocast = false;
  at::ScalarType autocast_dtype = at::kFloat;

  static Surroundings current(at::Device device) {
    Surroundings now;
    at::Generator generator = at::globalContext().defaultGenerator(device);
    {
      const std::lock_guard<std::mutex> lock(generator.mutex());
      now.random_state = generator.get_state();
    }
    now.autocast = at::autocast::is_autocast_enabled(device.type());
    now.autocast_dtype = at::autocast::get_autocast_dtype(device.type());
    return now;
  }

  void establish(at::Device device) const {
    at::Generator generator = at::globalContext().defaultGenerator(device);
    {
      const std::lock_guard<std::mutex> lock(generator.mutex());
      generator.set_state(random_state);
    }
    at::autocast::set_autocast_enabled(device.type(), autocast);
    at::autocast::set_autocast_dtype(device.type(), autocast_dtype);
  }
};

/// Puts the surroundings of another time in place while it lives.
class SurroundingsScope {
 public:
  SurroundingsScope(const Surroundings& wanted, at::Device device)
      : device_(device), outer_(Surroundings::current(device)) {
    wanted.establish(device_);
  }
  ~SurroundingsScope() { outer_.establish(device_); }
  SurroundingsScope(const SurroundingsScope&) = delete;
  SurroundingsScope& operator=(const SurroundingsScope&) = delete;

 private:
  at::Device device_;
  Surroundings outer_;
};

/// Autocast remembers the low-precision copy of a weight. One that was made without gradients must
/// not be found by a pass that wants them.
class NoAutocastCacheScope {
 public:
  NoAutocastCacheScope() : outer_(at::autocast::is_autocast_cache_enabled()) {
    at::autocast::set_autocast_cache_enabled(false);
  }
  ~NoAutocastCacheScope() { at::autocast::set_autocast_cache_enabled(outer_); }
  NoAutocastCacheScope(const NoAutocastCacheScope&) = delete;
  NoAutocastCacheScope& operator=(const NoAutocastCacheScope&) = delete;

 private:
  bool outer_;
};

/// What the backward pass needs besides the tensors.
struct Rerun : torch::CustomClassHolder {
  Segment segment;
  std::size_t input_count = 0;
  Surroundings surroundings;
  DropoutDraws dropout;
};

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

class CheckpointFunction : public torch::autograd::Function<CheckpointFunction> {
 public:
  static torch::Tensor forward(AutogradContext* context, const Segment& segment,
                               at::TensorList inputs, at::TensorList parameters) {
    const auto rerun = c10::make_intrusive<Rerun>();
    rerun->segment = segment;
    rerun->input_count = inputs.size();
    rerun->surroundings = Surroundings::current(inputs.front().device());
    rerun->dropout = DropoutScope::current();
    context->saved_data["rerun"] = c10::IValue::make_capsule(rerun);
    variable_list kept = inputs.vec();
    kept.insert(kept.end(), parameters.begin(), parameters.end());
    context->save_for_backward(std::move(kept));
    const NoAutocastCacheScope no_cache;
    return segment(inputs.vec());
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto rerun =
        c10::static_intrusive_pointer_cast<Rerun>(context->saved_data.at("rerun").toCapsule());
    // The inputs as leaves of a graph of their own, then the parameters.
    variable_list leaves = context->get_saved_variables();
    for (std::size_t i = 0; i < rerun->input_count; ++i) {
      const bool differentiable = leaves[i].requires_grad();
      leaves[i] = leaves[i].detach().requires_grad_(differentiable);
    }
    const torch::Tensor result = run_again(*rerun, leaves);
    variable_list wanted;
    for (const torch::Tensor& leaf : leaves) {
      if (leaf.requires_grad()) wanted.push_back(leaf);
    }
    const variable_list found =
        torch::autograd::grad({result}, wanted, {gradients[0]}, /*retain_graph=*/false,
                              /*create_graph=*/false, /*allow_unused=*/true);
    variable_list answer = {torch::Tensor()};  // of the segment itself
    auto next = found.begin();
    for (const torch::Tensor& leaf : leaves) {
      answer.push_back(leaf.requires_grad() ? *next++ : torch::Tensor());
    }
    return answer;
  }

 private:
  static torch::Tensor run_again(const Rerun& rerun, const variable_list& leaves) {
    const SurroundingsScope as_before(rerun.surroundings, leaves.front().device());
    const DropoutScope same_masks(rerun.dropout);
    const CheckpointingScope kept_this_time(false);
    const NoAutocastCacheScope no_cache;
    const at::AutoGradMode with_gradients(true);
    const auto end = leaves.begin() + static_cast<std::ptrdiff_t>(rerun.input_count);
    return rerun.segment({leaves.begin(), end});
  }
};

}  // namespace

CheckpointingScope::CheckpointingScope(bool enabled) : outer_(enabled_here) {
  enabled_here = enabled;
}

CheckpointingScope::~CheckpointingScope() {
  enabled_here = outer_;
}

bool CheckpointingScope::active() {
  return enabled_here && torch::GradMode::is_enabled();
}

torch::Tensor checkpoint(const Segment& segment, const std::vector<torch::Tensor>& inputs,
                         const std::vector<torch::Tensor>& parameters) {
  TORCH_CHECK(!inputs.empty(), "a checkpointed segment has at least one input");
  return CheckpointFunction::apply(segment, at::TensorList(inputs), at::TensorList(parameters));
}

}  // namespace echopath::nn
