#pragma once

#include <ATen/ATen.h>

namespace echopath::distributed {

/// Averages the gradients of one set of parameters over the processes of a group
/// (ProcessGroup::make_gradient_reducer). Every process has the same parameters.
class GradientReducer {
 public:
  virtual ~GradientReducer() = default;
  GradientReducer(const GradientReducer&) = delete;
  GradientReducer& operator=(const GradientReducer&) = delete;

  /// The backward pass of a scalar `loss`, adding to the gradients that are there. With `last`, the
  /// sum over the backward passes since the last such call is averaged over the processes, bucket
  /// by bucket while the pass still runs; without, nothing is sent. In a last pass every parameter
  /// must get a gradient, of zeros if need be. Throws DeviceError where a process is lost.
  virtual void backward(const at::Tensor& loss, bool last) = 0;

 protected:
  GradientReducer() = default;
};

}  // namespace echopath::distributed
