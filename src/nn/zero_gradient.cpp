#include "nn/zero_gradient.hpp"

namespace echopath::nn {

namespace {

class ZeroGradient : public torch::autograd::Function<ZeroGradient> {
 public:
  static torch::Tensor forward(torch::autograd::AutogradContext* context,
                               const torch::Tensor& result, const torch::Tensor& parameter) {
    context->save_for_backward({parameter});
    return result;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    return {gradients[0], at::zeros_like(context->get_saved_variables()[0])};
  }
};

}  // namespace

torch::Tensor with_zero_gradients(const torch::Tensor& result,
                                  const std::vector<torch::Tensor>& parameters) {
  torch::Tensor attached = result;
  if (!torch::GradMode::is_enabled()) return attached;
  for (const torch::Tensor& parameter : parameters) {
    if (parameter.requires_grad()) attached = ZeroGradient::apply(attached, parameter);
  }
  return attached;
}

}  // namespace echopath::nn
