#include "nn/geglu_kernel.hpp"

#include <ATen/Parallel.h>

#include "nn/vectorised.hpp"

namespace echopath::nn {

namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr std::int64_t kGrainRows = 64;

template <class T>
ECHOPATH_INLINE void forward_rows(const T* __restrict x, std::int64_t rows, std::int64_t width,
                                  T* __restrict y) {
  for (std::int64_t r = 0; r < rows; ++r) {
    const T* __restrict hidden = x + r * 2 * width;
    const T* __restrict gate = hidden + width;
    T* __restrict out = y + r * width;
    for (std::int64_t c = 0; c < width; ++c) {
      const float g = load(gate[c]);
      store(out[c], load(hidden[c]) * g * normal_cdf_vectorised(g));
    }
  }
}

/// GELU'(g) = Φ(g) + g·φ(g).
template <class T>
ECHOPATH_INLINE void backward_rows(const T* __restrict x, const T* __restrict dy, std::int64_t rows,
                                   std::int64_t width, T* __restrict dx) {
  constexpr float kInverseSqrtTwoPi = 0.39894228F;
  for (std::int64_t r = 0; r < rows; ++r) {
    const T* __restrict hidden = x + r * 2 * width;
    const T* __restrict gate = hidden + width;
    const T* __restrict out = dy + r * width;
    T* __restrict d_hidden = dx + r * 2 * width;
    T* __restrict d_gate = d_hidden + width;
    for (std::int64_t c = 0; c < width; ++c) {
      const float g = load(gate[c]);
      const float d = load(out[c]);
      const float cdf = normal_cdf_vectorised(g);
      const float density = kInverseSqrtTwoPi * exp_vectorised(-0.5F * g * g);
      store(d_hidden[c], d * g * cdf);
      store(d_gate[c], d * load(hidden[c]) * (cdf + g * density));
    }
  }
}

template <class T>
void forward(const T* x, std::int64_t rows, std::int64_t width, T* y) {
  at::parallel_for(0, rows, kGrainRows, [&](std::int64_t begin, std::int64_t end) {
    run_vectorised([&]() __attribute__((always_inline)) {
      forward_rows(x + begin * 2 * width, end - begin, width, y + begin * width);
    });
  });
}

template <class T>
void backward(const T* x, const T* dy, std::int64_t rows, std::int64_t width, T* dx) {
  at::parallel_for(0, rows, kGrainRows, [&](std::int64_t begin, std::int64_t end) {
    run_vectorised([&]() __attribute__((always_inline)) {
      backward_rows(x + begin * 2 * width, dy + begin * width, end - begin, width,
                    dx + begin * 2 * width);
    });
  });
}

template <class T>
const T* pointer(const torch::Tensor& t) {
  return static_cast<const T*>(t.const_data_ptr());
}

template <class T>
T* mutable_pointer(const torch::Tensor& t) {
  return static_cast<T*>(t.data_ptr());
}

torch::Tensor run_forward(const torch::Tensor& x) {
  std::vector<std::int64_t> shape = x.sizes().vec();
  const std::int64_t width = shape.back() / 2;
  shape.back() = width;
  const torch::Tensor y = at::empty(shape, x.options());
  const std::int64_t rows = y.numel() / width;
  if (x.scalar_type() == torch::kBFloat16) {
    forward(pointer<BFloat16Bits>(x), rows, width, mutable_pointer<BFloat16Bits>(y));
  } else {
    forward(pointer<float>(x), rows, width, mutable_pointer<float>(y));
  }
  return y;
}

class Geglu : public torch::autograd::Function<Geglu> {
 public:
  static torch::Tensor forward(AutogradContext* context, const torch::Tensor& x) {
    context->save_for_backward({x});
    return run_forward(x);
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const torch::Tensor x = context->get_saved_variables()[0];
    const torch::Tensor dy = gradients[0].contiguous();
    const torch::Tensor dx = at::empty_like(x);
    const std::int64_t width = dy.size(-1);
    const std::int64_t rows = dy.numel() / width;
    if (x.scalar_type() == torch::kBFloat16) {
      nn::backward(pointer<BFloat16Bits>(x), pointer<BFloat16Bits>(dy), rows, width,
                   mutable_pointer<BFloat16Bits>(dx));
    } else {
      nn::backward(pointer<float>(x), pointer<float>(dy), rows, width, mutable_pointer<float>(dx));
    }
    return {dx};
  }
};

}  // namespace

torch::Tensor geglu(const torch::Tensor& x) {
  const bool has_kernel =
      x.is_cpu() && (x.scalar_type() == torch::kFloat || x.scalar_type() == torch::kBFloat16);
  if (!has_kernel || x.numel() == 0) {
    const std::vector<torch::Tensor> halves = x.chunk(2, -1);
    return halves[0] * at::gelu(halves[1]);
  }
  const torch::Tensor rows = x.contiguous();
  return torch::GradMode::is_enabled() && x.requires_grad() ? Geglu::apply(rows)
                                                            : run_forward(rows);
}

}  // namespace echopath::nn
