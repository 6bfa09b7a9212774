#include "nn/group_norm_kernel.hpp"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "nn/vectorised.hpp"

namespace echopath::nn {

namespace {

/// Rows [rows, channels] of a sample are taken in chunks, so that one large sample keeps all
/// threads busy; the chunk does not depend on the thread count, and so neither does the result.
constexpr std::int64_t kChunkRows = 512;
/// Rows summed in float32 before the sum goes into float64.
constexpr std::int64_t kFlushRows = 64;

struct Geometry {
  std::int64_t samples = 0;
  std::int64_t rows = 0;
  std::int64_t channels = 0;
  std::int64_t groups = 0;

  explicit Geometry(const GroupNormProblem& p)
      : samples(p.x.size(0)),
        rows(p.x.size(2) * p.x.size(3)),
        channels(p.x.size(1)),
        groups(p.groups) {}

  std::int64_t chunks() const { return (rows + kChunkRows - 1) / kChunkRows; }
  std::int64_t group_size() const { return channels / groups; }
  double group_count() const { return static_cast<double>(rows * group_size()); }
  /// The group of entry `i` of an array [samples, channels], in an array [samples, groups].
  std::int64_t group_of(std::int64_t i) const {
    return i / channels * groups + i % channels / group_size();
  }
};

/// Calls task(sample, chunk, first_row, row_count) for every chunk, in parallel.
template <class Task>
void for_each_chunk(const Geometry& g, const Task& task) {
  const std::int64_t chunks = g.chunks();
  at::parallel_for(0, g.samples * chunks, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t first = i % chunks * kChunkRows;
      task(i / chunks, i % chunks, first, std::min(kChunkRows, g.rows - first));
    }
  });
}

template <class T>
ECHOPATH_INLINE void add_moments(const T* __restrict x, const float* __restrict origin,
                                 std::int64_t rows, std::int64_t channels, float* __restrict sum,
                                 float* __restrict sum_squares) {
  for (std::int64_t r = 0; r < rows; ++r) {
    const T* __restrict row = x + r * channels;
    for (std::int64_t c = 0; c < channels; ++c) {
      const float d = load(row[c]) - origin[c];
      sum[c] += d;
      sum_squares[c] += d * d;
    }
  }
}

template <bool kSilu, class T>
ECHOPATH_INLINE void apply_affine(const T* __restrict x, const float* __restrict centre,
                                  const float* __restrict scale, const float* __restrict bias,
                                  std::int64_t rows, std::int64_t channels, T* __restrict y) {
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t c = 0; c < channels; ++c) {
      const float z = (load(x[r * channels + c]) - centre[c]) * scale[c] + bias[c];
      store(y[r * channels + c], kSilu ? z * sigmoid_vectorised(z) : z);
    }
  }
}

/// dz = dy·SiLU'(z) with z = (x − centre)·scale + bias; sums dz and dz·(x − centre).
template <bool kSilu, class T>
ECHOPATH_INLINE void add_gradient_sums(const T* __restrict x, const T* __restrict dy,
                                       const float* __restrict centre,
                                       const float* __restrict scale, const float* __restrict bias,
                                       std::int64_t rows, std::int64_t channels, T* __restrict dz,
                                       float* __restrict sum, float* __restrict sum_x) {
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t c = 0; c < channels; ++c) {
      const std::int64_t i = r * channels + c;
      const float value = load(x[i]) - centre[c];
      float d = load(dy[i]);
      if (kSilu) {
        const float z = value * scale[c] + bias[c];
        const float s = sigmoid_vectorised(z);
        d *= s * (1.0F + z * (1.0F - s));
      }
      store(dz[i], d);
      sum[c] += d;
      sum_x[c] += d * value;
    }
  }
}

/// dx = by_dz·dz + by_x·x + constant, written over dz.
template <class T>
ECHOPATH_INLINE void combine(const T* __restrict x, const float* __restrict by_dz,
                             const float* __restrict by_x, const float* __restrict constant,
                             std::int64_t rows, std::int64_t channels, T* __restrict dz) {
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t c = 0; c < channels; ++c) {
      const std::int64_t i = r * channels + c;
      store(dz[i], by_dz[c] * load(dz[i]) + by_x[c] * load(x[i]) + constant[c]);
    }
  }
}

/// Two sums per channel over all rows of each sample, [samples, channels] each.
struct ChannelTotals {
  std::vector<double> first;
  std::vector<double> second;
};

/// `add(sample, first_row, rows, first, second)` adds rows to float32 sums [channels].
template <class Add>
ChannelTotals sum_over_rows(const Geometry& g, const Add& add) {
  const auto channels = static_cast<std::size_t>(g.channels);
  const auto parts = static_cast<std::size_t>(g.samples * g.chunks());
  ChannelTotals partial{std::vector<double>(parts * channels),
                        std::vector<double>(parts * channels)};
  for_each_chunk(g, [&](std::int64_t n, std::int64_t chunk, std::int64_t start, std::int64_t rows) {
    const std::size_t at = static_cast<std::size_t>(n * g.chunks() + chunk) * channels;
    std::vector<float> first(channels), second(channels);
    for (std::int64_t done = 0; done < rows; done += kFlushRows) {
      std::fill(first.begin(), first.end(), 0.0F);
      std::fill(second.begin(), second.end(), 0.0F);
      add(n, start + done, std::min(kFlushRows, rows - done), first.data(), second.data());
      for (std::size_t c = 0; c < channels; ++c) {
        partial.first[at + c] += first[c];
        partial.second[at + c] += second[c];
      }
    }
  });
  if (g.chunks() == 1) return partial;
  const auto samples = static_cast<std::size_t>(g.samples);
  ChannelTotals totals{std::vector<double>(samples * channels),
                       std::vector<double>(samples * channels)};
  for (std::size_t part = 0; part < parts; ++part) {
    const std::size_t to = part / static_cast<std::size_t>(g.chunks()) * channels;
    for (std::size_t c = 0; c < channels; ++c) {
      totals.first[to + c] += partial.first[part * channels + c];
      totals.second[to + c] += partial.second[part * channels + c];
    }
  }
  return totals;
}

const float* data_or_null(const torch::Tensor& tensor) {
  return tensor.defined() ? tensor.const_data_ptr<float>() : nullptr;
}

template <class T>
GroupNormMoments moments_of(const GroupNormProblem& p, const Geometry& g, const T* x) {
  const float* shift = data_or_null(p.shift);
  // Sums are taken relative to the sample's first row: no cancellation where the mean is large.
  std::vector<float> origins(static_cast<std::size_t>(g.samples * g.channels));
  for (std::int64_t i = 0; i < g.samples * g.channels; ++i) {
    origins[static_cast<std::size_t>(i)] =
        load(x[i / g.channels * g.rows * g.channels + i % g.channels]);
  }
  const ChannelTotals totals = sum_over_rows(
      g, [&](std::int64_t n, std::int64_t first, std::int64_t rows, float* sum, float* squares) {
        const T* from = x + (n * g.rows + first) * g.channels;
        const float* origin = origins.data() + n * g.channels;
        run_vectorised([&]() __attribute__((always_inline)) {
          add_moments(from, origin, rows, g.channels, sum, squares);
        });
      });
  const auto options = torch::TensorOptions().dtype(torch::kDouble);
  GroupNormMoments moments{torch::empty({g.samples, g.groups}, options),
                           torch::empty({g.samples, g.groups}, options),
                           torch::empty({g.samples, g.channels}, options)};
  auto* mean = moments.mean.data_ptr<double>();
  auto* rstd = moments.rstd.data_ptr<double>();
  auto* channel_mean = moments.channel_mean.data_ptr<double>();
  const auto rows = static_cast<double>(g.rows);
  for (std::int64_t group = 0; group < g.samples * g.groups; ++group) {
    const std::int64_t begin = group * g.group_size();  // in [samples, channels]
    const std::int64_t end = begin + g.group_size();
    double sum = 0.0;
    for (std::int64_t i = begin; i < end; ++i) {
      const auto at = static_cast<std::size_t>(i);
      channel_mean[i] = origins[at] + totals.first[at] / rows;
      sum += channel_mean[i] + (shift != nullptr ? shift[i] : 0.0F);
    }
    mean[group] = sum / static_cast<double>(g.group_size());
    double squares = 0.0;
    for (std::int64_t i = begin; i < end; ++i) {
      const auto at = static_cast<std::size_t>(i);
      const double offset = origins[at] + (shift != nullptr ? shift[i] : 0.0F) - mean[group];
      squares += totals.second[at] + 2.0 * offset * totals.first[at] + rows * offset * offset;
    }
    rstd[group] = 1.0 / std::sqrt(std::max(squares / g.group_count(), 0.0) + p.eps);
  }
  return moments;
}

/// The map (x − centre)·scale + bias that normalises x + shift; centre and scale [samples,
/// channels], bias [channels]. Centred first, because where a group has no spread the scale is
/// 1/√eps, and would multiply the rounding of x.
struct Affine {
  std::vector<float> centre;
  std::vector<float> scale;
  const float* bias;

  Affine(const GroupNormProblem& p, const Geometry& g, const GroupNormMoments& moments) {
    const float* shift = data_or_null(p.shift);
    const float* weight = p.weight.const_data_ptr<float>();
    bias = p.bias.const_data_ptr<float>();
    const auto* mean = moments.mean.const_data_ptr<double>();
    const auto* rstd = moments.rstd.const_data_ptr<double>();
    for (std::int64_t i = 0; i < g.samples * g.channels; ++i) {
      const std::int64_t group = g.group_of(i);
      centre.push_back(static_cast<float>(mean[group] - (shift != nullptr ? shift[i] : 0.0F)));
      scale.push_back(static_cast<float>(rstd[group] * weight[i % g.channels]));
    }
  }
};

template <class T>
void forward(const GroupNormProblem& p, GroupNormMoments& moments, const T* x, T* y) {
  const Geometry g(p);
  moments = moments_of(p, g, x);
  const Affine affine(p, g, moments);
  for_each_chunk(g, [&](std::int64_t n, std::int64_t, std::int64_t first, std::int64_t rows) {
    const std::int64_t at = (n * g.rows + first) * g.channels;
    const float* centre = affine.centre.data() + n * g.channels;
    const float* scale = affine.scale.data() + n * g.channels;
    run_vectorised([&]() __attribute__((always_inline)) {
      if (p.silu) {
        apply_affine<true>(x + at, centre, scale, affine.bias, rows, g.channels, y + at);
      } else {
        apply_affine<false>(x + at, centre, scale, affine.bias, rows, g.channels, y + at);
      }
    });
  });
}

/// Coefficients of dx = scale·dz + by_x·x + constant, [samples, channels].
struct InputGradient {
  std::vector<float> by_x;
  std::vector<float> constant;
};

/// From the sums of dz and dz·(x − centre): with x̂ = (x + shift − mean)·rstd and m values in a
/// group, dx = rstd·(w·dz − (Σ w·dz)/m − x̂·(Σ w·dz·x̂)/m). Also sets the small gradients.
InputGradient reduce_gradients(const GroupNormProblem& p, const Geometry& g,
                               const GroupNormMoments& moments, const ChannelTotals& totals,
                               const std::vector<float>& centres, GroupNormGradients& out) {
  const float* weight = p.weight.const_data_ptr<float>();
  const auto* rstd = moments.rstd.const_data_ptr<double>();
  const auto* channel_mean = moments.channel_mean.const_data_ptr<double>();
  const torch::Tensor dweight = torch::zeros({g.channels}, torch::kDouble);
  const torch::Tensor dbias = torch::zeros({g.channels}, torch::kDouble);
  out.shift = torch::empty({g.samples, g.channels}, torch::kFloat);
  InputGradient gradient;
  for (std::int64_t group = 0; group < g.samples * g.groups; ++group) {
    const std::int64_t begin = group * g.group_size();
    const std::int64_t end = begin + g.group_size();
    double sum = 0.0;
    double sum_x = 0.0;
    for (std::int64_t i = begin; i < end; ++i) {
      const auto at = static_cast<std::size_t>(i);
      const std::int64_t c = i % g.channels;
      sum += weight[c] * totals.first[at];
      sum_x += weight[c] * totals.second[at] * rstd[group];
      dbias.data_ptr<double>()[c] += totals.first[at];
      dweight.data_ptr<double>()[c] += totals.second[at] * rstd[group];
    }
    const double slope = -rstd[group] * rstd[group] * sum_x / g.group_count();
    const double level = -rstd[group] * sum / g.group_count();
    for (std::int64_t i = begin; i < end; ++i) {
      const auto at = static_cast<std::size_t>(i);
      gradient.by_x.push_back(static_cast<float>(slope));
      gradient.constant.push_back(static_cast<float>(level - slope * centres[at]));
      const double mean_dx = slope * (channel_mean[i] - centres[at]) + level;
      out.shift.data_ptr<float>()[i] =
          static_cast<float>(rstd[group] * weight[i % g.channels] * totals.first[at] +
                             mean_dx * static_cast<double>(g.rows));
    }
  }
  out.weight = dweight.to(torch::kFloat);
  out.bias = dbias.to(torch::kFloat);
  return gradient;
}

template <class T>
void backward(const GroupNormProblem& p, const GroupNormMoments& moments, const T* x, const T* dy,
              T* dx, GroupNormGradients& out) {
  const Geometry g(p);
  const Affine affine(p, g, moments);
  const ChannelTotals totals = sum_over_rows(
      g, [&](std::int64_t n, std::int64_t first, std::int64_t rows, float* sum, float* sum_x) {
        const std::int64_t at = (n * g.rows + first) * g.channels;
        const float* centre = affine.centre.data() + n * g.channels;
        const float* scale = affine.scale.data() + n * g.channels;
        run_vectorised([&]() __attribute__((always_inline)) {
          if (p.silu) {
            add_gradient_sums<true>(x + at, dy + at, centre, scale, affine.bias, rows, g.channels,
                                    dx + at, sum, sum_x);
          } else {
            add_gradient_sums<false>(x + at, dy + at, centre, scale, affine.bias, rows, g.channels,
                                     dx + at, sum, sum_x);
          }
        });
      });
  const InputGradient gradient = reduce_gradients(p, g, moments, totals, affine.centre, out);
  for_each_chunk(g, [&](std::int64_t n, std::int64_t, std::int64_t first, std::int64_t rows) {
    const std::int64_t at = (n * g.rows + first) * g.channels;
    const std::int64_t channel = n * g.channels;
    run_vectorised([&]() __attribute__((always_inline)) {
      combine(x + at, affine.scale.data() + channel, gradient.by_x.data() + channel,
              gradient.constant.data() + channel, rows, g.channels, dx + at);
    });
  });
}

const BFloat16Bits* bits_of(const torch::Tensor& tensor) {
  return reinterpret_cast<const BFloat16Bits*>(tensor.const_data_ptr<at::BFloat16>());
}

BFloat16Bits* mutable_bits_of(const torch::Tensor& tensor) {
  return reinterpret_cast<BFloat16Bits*>(tensor.data_ptr<at::BFloat16>());
}

}  // namespace

torch::Tensor group_norm_forward(const GroupNormProblem& problem, GroupNormMoments& moments) {
  const torch::Tensor y = at::empty_like(problem.x);
  if (problem.x.scalar_type() == torch::kBFloat16) {
    forward(problem, moments, bits_of(problem.x), mutable_bits_of(y));
  } else {
    forward(problem, moments, problem.x.const_data_ptr<float>(), y.data_ptr<float>());
  }
  return y;
}

GroupNormGradients group_norm_backward(const GroupNormProblem& problem,
                                       const GroupNormMoments& moments, const torch::Tensor& dy) {
  GroupNormGradients out;
  out.x = at::empty_like(problem.x);
  if (problem.x.scalar_type() == torch::kBFloat16) {
    backward(problem, moments, bits_of(problem.x), bits_of(dy), mutable_bits_of(out.x), out);
  } else {
    backward(problem, moments, problem.x.const_data_ptr<float>(), dy.const_data_ptr<float>(),
             out.x.data_ptr<float>(), out);
  }
  return out;
}

}  // namespace echopath::nn
