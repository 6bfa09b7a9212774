#include "diffusion/sigma_solver.hpp"

#include <cmath>

namespace echopath::diffusion {

double SigmaSolver::initial_scale() const {
  // As in diffusers: the other spacings start at the highest σ, where 1 beside it is nothing.
  const double first = sigma(0);
  return options_.timestep_spacing == "leading" ? std::sqrt(first * first + 1.0) : first;
}

at::Tensor SigmaSolver::scale_model_input(const at::Tensor& sample, std::size_t index) const {
  // In the sample's precision, as in diffusers: where σ is in the thousands the sample and x_0
  // differ by so much that the last bit of what the network sees shows in the result.
  const at::Tensor level = at::scalar_tensor(sigma(index), at::dtype(sample.scalar_type()));
  return sample / (level.square() + 1.0).sqrt();
}

at::Tensor SigmaSolver::derivative(const at::Tensor& model_output, std::size_t index,
                                   const at::Tensor& sample) const {
  // ε and x_0 are answered without the scaling, and v of what the network sees. As in diffusers:
  // where σ is in the thousands, a detour over the scaled sample would show in the last bits.
  const bool velocity = schedule_.options().prediction_type == "v_prediction";
  const at::Tensor x0 =
      velocity ? clipped_x0(model_output, scale_model_input(sample, index), input_level(index))
               : clipped_x0(model_output, sample, level(index));
  return (sample - x0) / sigma(index);
}

}  // namespace echopath::diffusion
