#pragma once

#include <ATen/Context.h>
#include <ATen/autocast_mode.h>

#include <string>

namespace echopath::training {

/// Autocast to `dtype` (bfloat16 or float16) on one device type while it lives, or none.
class AutocastScope {
 public:
  AutocastScope(bool enabled, at::DeviceType device, at::ScalarType dtype = at::kBFloat16)
      : device_(device),
        was_enabled_(at::autocast::is_autocast_enabled(device)),
        was_dtype_(at::autocast::get_autocast_dtype(device)) {
    at::autocast::set_autocast_enabled(device, enabled);
    at::autocast::set_autocast_dtype(device, dtype);
    at::autocast::increment_nesting();
  }
  ~AutocastScope() {
    if (at::autocast::decrement_nesting() == 0) at::autocast::clear_cache();
    at::autocast::set_autocast_enabled(device_, was_enabled_);
    at::autocast::set_autocast_dtype(device_, was_dtype_);
  }
  AutocastScope(const AutocastScope&) = delete;
  AutocastScope& operator=(const AutocastScope&) = delete;

 private:
  at::DeviceType device_;
  bool was_enabled_;
  at::ScalarType was_dtype_;
};

/// What `training.precision` asks for.
inline AutocastScope autocast_scope(const std::string& precision, at::DeviceType device) {
  return {precision != "fp32", device, precision == "fp16" ? at::kHalf : at::kBFloat16};
}

/// Whether float32 products and convolutions on GPUs may be computed in TensorFloat-32, in the
/// whole process.
inline void allow_tf32(bool allowed) {
  at::globalContext().setAllowTF32CuBLAS(allowed);
  at::globalContext().setAllowTF32CuDNN(allowed);
}

}  // namespace echopath::training
