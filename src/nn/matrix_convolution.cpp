#include "nn/matrix_convolution.hpp"

#include <ATen/Parallel.h>
#include <ATen/autocast_mode.h>

#include <algorithm>
#include <cstring>

#include "nn/vectorised.hpp"

namespace echopath::nn {

namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// Maps of so many positions pay at any batch size, larger ones while all maps together have few.
constexpr std::int64_t kTinyMap = 4;
constexpr std::int64_t kSmallMap = 16;
constexpr std::int64_t kFewPositions = 1024;

constexpr std::int64_t kGrainRows = 16;

/// Where the patch of an output position lies. Maps are channels-last.
struct Geometry {
  std::int64_t samples, channels, height, width;  ///< of x
  std::int64_t kernel_height, kernel_width, pad_y, pad_x;

  Geometry(at::IntArrayRef x, at::IntArrayRef weight, std::array<std::int64_t, 2> padding)
      : samples(x[0]),
        channels(x[1]),
        height(x[2]),
        width(x[3]),
        kernel_height(weight[2]),
        kernel_width(weight[3]),
        pad_y(padding[0]),
        pad_x(padding[1]) {}

  std::int64_t out_height() const { return height + 2 * pad_y - kernel_height + 1; }
  std::int64_t out_width() const { return width + 2 * pad_x - kernel_width + 1; }
  std::int64_t rows() const { return samples * out_height() * out_width(); }
  std::int64_t patch() const { return kernel_height * kernel_width; }
};

/// The patches of all output positions, [rows, patch · channels].
torch::Tensor gather_patches(const torch::Tensor& x, const Geometry& g) {
  const torch::Tensor patches = at::empty({g.rows(), g.patch() * g.channels}, x.options());
  const float* from = x.const_data_ptr<float>();
  float* to = patches.data_ptr<float>();
  const std::size_t bytes = static_cast<std::size_t>(g.channels) * sizeof(float);
  at::parallel_for(0, g.rows(), kGrainRows, [&](std::int64_t begin, std::int64_t end) {
    float* out = to + begin * g.patch() * g.channels;
    for (std::int64_t row = begin; row < end; ++row) {
      const std::int64_t left = row % g.out_width() - g.pad_x;
      const std::int64_t top = row / g.out_width() % g.out_height() - g.pad_y;
      const std::int64_t sample = row / g.out_width() / g.out_height();
      for (std::int64_t y = top; y < top + g.kernel_height; ++y) {
        for (std::int64_t x_at = left; x_at < left + g.kernel_width; ++x_at, out += g.channels) {
          if (y < 0 || y >= g.height || x_at < 0 || x_at >= g.width) {
            std::memset(out, 0, bytes);
          } else {
            std::memcpy(out, from + ((sample * g.height + y) * g.width + x_at) * g.channels, bytes);
          }
        }
      }
    }
  });
  return patches;
}

ECHOPATH_INLINE void add_row(const float* __restrict from, std::int64_t count,
                             float* __restrict to) {
  for (std::int64_t i = 0; i < count; ++i) to[i] += from[i];
}

/// The adjoint of gather_patches(): each position of x sums what the patches hold of it.
torch::Tensor sum_patches(const torch::Tensor& patches, const Geometry& g) {
  const torch::Tensor x = at::empty({g.samples, g.height, g.width, g.channels}, patches.options());
  const float* from = patches.const_data_ptr<float>();
  float* to = x.data_ptr<float>();
  const auto sum_into = [&](std::int64_t position) __attribute__((always_inline)) {
    const std::int64_t x_at = position % g.width;
    const std::int64_t y = position / g.width % g.height;
    const std::int64_t sample = position / g.width / g.height;
    float* out = to + position * g.channels;
    std::fill(out, out + g.channels, 0.0F);
    for (std::int64_t i = 0; i < g.kernel_height; ++i) {
      const std::int64_t row = y + g.pad_y - i;
      if (row < 0 || row >= g.out_height()) continue;
      for (std::int64_t j = 0; j < g.kernel_width; ++j) {
        const std::int64_t column = x_at + g.pad_x - j;
        if (column < 0 || column >= g.out_width()) continue;
        const std::int64_t at = (sample * g.out_height() + row) * g.out_width() + column;
        add_row(from + (at * g.patch() + i * g.kernel_width + j) * g.channels, g.channels, out);
      }
    }
  };
  at::parallel_for(0, g.samples * g.height * g.width, kGrainRows,
                   [&](std::int64_t begin, std::int64_t end) {
                     run_vectorised([&]() __attribute__((always_inline)) {
                       for (std::int64_t i = begin; i < end; ++i) sum_into(i);
                     });
                   });
  return x.permute({0, 3, 1, 2});
}

/// [O, C, h, w] as [O, h·w·C]: a view where the kernel is channels-last.
torch::Tensor kernel_matrix(const torch::Tensor& weight) {
  return weight.permute({0, 2, 3, 1}).reshape({weight.size(0), -1});
}

torch::Tensor run_forward(const torch::Tensor& x, const torch::Tensor& weight,
                          const torch::Tensor& bias, const Geometry& g) {
  const torch::Tensor y = at::addmm(bias, gather_patches(x, g), kernel_matrix(weight).t());
  return y.view({g.samples, g.out_height(), g.out_width(), weight.size(0)}).permute({0, 3, 1, 2});
}

class MatrixConvolution : public torch::autograd::Function<MatrixConvolution> {
 public:
  static torch::Tensor forward(AutogradContext* context, const torch::Tensor& x,
                               const torch::Tensor& weight, const torch::Tensor& bias,
                               std::int64_t pad_y, std::int64_t pad_x) {
    context->save_for_backward({x, weight});
    context->saved_data["pad_y"] = pad_y;
    context->saved_data["pad_x"] = pad_x;
    return run_forward(x, weight, bias, {x.sizes(), weight.sizes(), {pad_y, pad_x}});
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const torch::Tensor &x = saved[0], &weight = saved[1];
    const Geometry g(x.sizes(), weight.sizes(),
                     {context->saved_data["pad_y"].toInt(), context->saved_data["pad_x"].toInt()});
    // [N, O, H, W] to [rows, O].
    const torch::Tensor dy = gradients[0].permute({0, 2, 3, 1}).reshape({g.rows(), -1});
    torch::Tensor dx, dweight, dbias;
    if (context->needs_input_grad(0)) dx = sum_patches(at::mm(dy, kernel_matrix(weight)), g);
    if (context->needs_input_grad(1)) {
      dweight = at::mm(dy.t(), gather_patches(x, g))
                    .view({weight.size(0), g.kernel_height, g.kernel_width, g.channels})
                    .permute({0, 3, 1, 2});
    }
    if (context->needs_input_grad(2)) dbias = dy.sum(0);
    return {dx, dweight, dbias, torch::Tensor(), torch::Tensor()};
  }
};

}  // namespace

bool pays_as_matrix_product(const torch::Tensor& x, const torch::Tensor& weight) {
  if (!x.is_cpu() || x.scalar_type() != torch::kFloat || weight.scalar_type() != torch::kFloat ||
      x.dim() != 4 || x.numel() == 0 || at::autocast::is_autocast_enabled(at::kCPU)) {
    return false;
  }
  if (weight.size(2) * weight.size(3) == 1) return false;  // oneDNN multiplies these itself
  if (weight.size(3) == 1) return x.size(3) <= kSmallMap;
  const std::int64_t positions = x.size(2) * x.size(3);
  return positions <= kTinyMap ||
         (positions <= kSmallMap && x.size(0) * positions <= kFewPositions);
}

torch::Tensor matrix_convolution(const torch::Tensor& x, const torch::Tensor& weight,
                                 const torch::Tensor& bias, std::array<std::int64_t, 2> padding) {
  const torch::Tensor map = x.contiguous(at::MemoryFormat::ChannelsLast);
  const bool differentiable = torch::GradMode::is_enabled() &&
                              (x.requires_grad() || weight.requires_grad() || bias.requires_grad());
  if (differentiable) return MatrixConvolution::apply(map, weight, bias, padding[0], padding[1]);
  return run_forward(map, weight, bias, {map.sizes(), weight.sizes(), padding});
}

}  // namespace echopath::nn
