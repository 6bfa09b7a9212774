#include "echopath/nn/layers.hpp"

#include <cmath>

#include "echopath/nn/initialisation.hpp"
#include "nn/group_norm_kernel.hpp"
#include "nn/matrix_convolution.hpp"

namespace echopath::nn {

namespace {

/// PyTorch's default for Linear and Conv weights and biases: kaiming_uniform with a = √5, which is
/// uniform in ±1/√fan_in.
torch::Tensor uniform_parameter(at::IntArrayRef shape, std::int64_t fan_in,
                                at::MemoryFormat format = at::MemoryFormat::Contiguous) {
  if (UninitialisedScope::active()) return torch::empty(shape, format);
  const double bound = 1.0 / std::sqrt(static_cast<double>(fan_in));
  return torch::empty(shape).uniform_(-bound, bound).contiguous(format);
}

/// Group normalisation in channels-last memory with its gradient. Autograd takes no undefined
/// inputs, so an empty `shift` stands for none.
class FusedGroupNorm : public torch::autograd::Function<FusedGroupNorm> {
 public:
  static torch::Tensor forward(torch::autograd::AutogradContext* context, const torch::Tensor& x,
                               const torch::Tensor& shift, const torch::Tensor& weight,
                               const torch::Tensor& bias, const GroupNormProblem& problem) {
    GroupNormMoments moments;
    const torch::Tensor y = group_norm_forward(problem, moments);
    context->save_for_backward(
        {x, shift, weight, bias, moments.mean, moments.rstd, moments.channel_mean});
    context->saved_data["groups"] = problem.groups;
    context->saved_data["silu"] = problem.silu;
    return y;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    const auto saved = context->get_saved_variables();
    GroupNormProblem problem;
    problem.x = saved[0];
    if (saved[1].numel() > 0) problem.shift = saved[1];
    problem.weight = saved[2];
    problem.bias = saved[3];
    problem.groups = context->saved_data["groups"].toInt();
    problem.silu = context->saved_data["silu"].toBool();
    const GroupNormGradients out =
        group_norm_backward(problem, {saved[4], saved[5], saved[6]},
                            gradients[0].contiguous(at::MemoryFormat::ChannelsLast));
    const torch::Tensor shift_gradient = problem.shift.defined() ? out.shift : torch::Tensor();
    return {out.x, shift_gradient, out.weight, out.bias, torch::Tensor()};
  }
};

}  // namespace

Linear::Linear(std::int64_t in_features, std::int64_t out_features, bool bias) {
  weight_ =
      register_parameter("weight", uniform_parameter({out_features, in_features}, in_features));
  if (bias) bias_ = register_parameter("bias", uniform_parameter({out_features}, in_features));
}

torch::Tensor Linear::forward(const torch::Tensor& x) {
  return at::linear(x, weight_, bias_);
}

Conv2d::Conv2d(const Conv2dOptions& options) : options_(options) {
  const std::int64_t k = options.kernel_size;
  const std::int64_t fan_in = options.in_channels * k * k;
  // oneDNN wants the weights in the memory format of the feature maps.
  weight_ = register_parameter(
      "weight", uniform_parameter({options.out_channels, options.in_channels, k, k}, fan_in,
                                  at::MemoryFormat::ChannelsLast));
  bias_ = register_parameter("bias", uniform_parameter({options.out_channels}, fan_in));
}

torch::Tensor Conv2d::forward(const torch::Tensor& x) {
  if (options_.stride == 1 && pays_as_matrix_product(x, weight_)) {
    return matrix_convolution(x, weight_, bias_, {options_.padding, options_.padding});
  }
  return at::conv2d(x, weight_, bias_, options_.stride, options_.padding);
}

TemporalConv::TemporalConv(std::int64_t in_channels, std::int64_t out_channels) {
  const std::int64_t fan_in = in_channels * 3;
  weight_ =
      register_parameter("weight", uniform_parameter({out_channels, in_channels, 3, 1, 1}, fan_in,
                                                     at::MemoryFormat::ChannelsLast3d));
  bias_ = register_parameter("bias", uniform_parameter({out_channels}, fan_in));
}

torch::Tensor TemporalConv::forward(const torch::Tensor& x) {
  // A (3, 1, 1) convolution of [B, C, T, H, W] is a (3, 1) convolution of [B, C, T, H·W].
  const torch::Tensor weight = weight_.squeeze(-1);
  if (pays_as_matrix_product(x, weight)) {
    return matrix_convolution(x, weight, bias_, {1, 0});
  }
  return at::conv2d(x, weight, bias_, /*stride=*/1, /*padding=*/{1, 0});
}

GroupNorm::GroupNorm(std::int64_t groups, std::int64_t channels, double eps)
    : groups_(groups), eps_(eps) {
  TORCH_CHECK(channels % groups == 0, channels, " channels do not divide into ", groups, " groups");
  weight_ = register_parameter("weight", torch::ones({channels}));
  bias_ = register_parameter("bias", torch::zeros({channels}));
}

torch::Tensor GroupNorm::forward(const torch::Tensor& x) {
  return run(x, torch::Tensor(), /*silu=*/false);
}

torch::Tensor GroupNorm::forward_silu(const torch::Tensor& x, const torch::Tensor& shift) {
  return run(x, shift, /*silu=*/true);
}

torch::Tensor GroupNorm::run(const torch::Tensor& x, const torch::Tensor& shift, bool silu) {
  if (!has_kernel(x)) {
    const torch::Tensor moved =
        shift.defined() ? x + shift.to(x.scalar_type()).unsqueeze(-1).unsqueeze(-1) : x;
    const torch::Tensor normed = at::group_norm(moved, groups_, weight_, bias_, eps_);
    return silu ? at::silu(normed) : normed;
  }
  GroupNormProblem problem{x.contiguous(at::MemoryFormat::ChannelsLast),
                           shift.defined() ? shift.to(torch::kFloat).contiguous() : shift,
                           weight_,
                           bias_,
                           groups_,
                           eps_,
                           silu};
  const bool differentiable =
      torch::GradMode::is_enabled() &&
      (x.requires_grad() || weight_.requires_grad() || (shift.defined() && shift.requires_grad()));
  if (differentiable) {
    const torch::Tensor shift_input = shift.defined() ? problem.shift : weight_.new_empty({0});
    return FusedGroupNorm::apply(problem.x, shift_input, weight_, bias_, problem);
  }
  GroupNormMoments moments;
  return group_norm_forward(problem, moments);
}

bool GroupNorm::has_kernel(const torch::Tensor& x) const {
  const bool known = x.scalar_type() == torch::kFloat || x.scalar_type() == torch::kBFloat16;
  return x.is_cpu() && known && x.dim() == 4 && x.numel() > 0 &&
         weight_.scalar_type() == torch::kFloat;
}

LayerNorm::LayerNorm(std::int64_t features, double eps) : features_(features), eps_(eps) {
  weight_ = register_parameter("weight", torch::ones({features}));
  bias_ = register_parameter("bias", torch::zeros({features}));
}

torch::Tensor LayerNorm::forward(const torch::Tensor& x) {
  return at::layer_norm(x, {features_}, weight_, bias_, eps_);
}

}  // namespace echopath::nn
