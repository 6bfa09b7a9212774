#include <algorithm>
#include <cmath>
#include <utility>

#include "diffusion/solvers.hpp"
#include "echopath/core/errors.hpp"
#include "echopath/core/text.hpp"

namespace echopath::diffusion {
namespace {

bool is_learned(const std::string& variance_type) {
  return variance_type == "learned" || variance_type == "learned_range";
}

/// Splits an answer of twice the sample's channels into prediction and variance, on whichever axis
/// the channels are.
std::pair<at::Tensor, at::Tensor> split_variance(const at::Tensor& model_output,
                                                 const at::Tensor& sample,
                                                 const std::string& variance_type) {
  for (std::int64_t d = 1; d < sample.dim() && model_output.dim() == sample.dim(); ++d) {
    if (model_output.size(d) != 2 * sample.size(d)) continue;
    const auto halves = model_output.chunk(2, d);
    return {halves[0], halves[1]};
  }
  throw ConfigError("variance_type " + variance_type +
                    " needs a network that answers a variance too, with twice the sample's "
                    "channels; use fixed_small");
}

/// Ho, Jain and Abbeel 2020; learned_range: Nichol and Dhariwal 2021.
class Ddpm final : public Solver {
 public:
  Ddpm(const NoiseSchedule& schedule, const SolverOptions& options, const SamplingGrid& grid)
      : Solver(schedule, options, grid) {
    const auto& known = variance_type_names();
    if (std::find(known.begin(), known.end(), options.variance_type) == known.end()) {
      throw ConfigError("variance_type '" + options.variance_type + "' is unknown; use one of " +
                        join(known, ", "));
    }
  }

  at::Tensor step(const at::Tensor& model_output, std::size_t index, const at::Tensor& sample,
                  const NoiseFunction& noise) override {
    if (!is_learned(options_.variance_type)) {
      return step_to(model_output, {}, index, sample, noise);
    }
    const auto [output, variance] = split_variance(model_output, sample, options_.variance_type);
    return step_to(output, variance, index, sample, noise);
  }

 private:
  at::Tensor step_to(const at::Tensor& output, const at::Tensor& answered_variance,
                     std::size_t index, const at::Tensor& sample,
                     const NoiseFunction& noise) const {
    const GridStep& at = grid_step(index);
    const double bar = at.from.alpha_cumprod;
    const double bar_next = at.to.alpha_cumprod;
    const double alpha = bar / bar_next;
    const double beta = 1.0 - alpha;

    const at::Tensor x0 = clipped_x0(output, sample, at.from);
    const double x0_weight = std::sqrt(bar_next) * beta / (1.0 - bar);
    const double sample_weight = std::sqrt(alpha) * (1.0 - bar_next) / (1.0 - bar);
    const at::Tensor mean = x0 * x0_weight + sample * sample_weight;
    const bool noisy_end = options_.reproduce_diffusers && at.timestep > 0.0;
    if (at.to.clean() && !noisy_end) return mean;

    const double small = std::max((1.0 - bar_next) / (1.0 - bar) * beta, 1e-20);
    if (options_.variance_type == "learned") return mean + noise() * answered_variance.sqrt();
    if (options_.variance_type == "learned_range") {
      const at::Tensor share = (answered_variance + 1.0) / 2.0;
      const at::Tensor log_variance = share * std::log(beta) + (1.0 - share) * std::log(small);
      return mean + noise() * (0.5 * log_variance).exp();
    }
    // The log forms differ from the plain ones only in how they are rounded.
    const bool large = options_.variance_type.starts_with("fixed_large");
    return mean + noise() * std::sqrt(large ? beta : small);
  }
};

}  // namespace

const std::vector<std::string>& variance_type_names() {
  static const std::vector<std::string> names = {"fixed_small", "fixed_small_log",
                                                 "fixed_large", "fixed_large_log",
                                                 "learned",     "learned_range"};
  return names;
}

std::unique_ptr<Solver> make_ddpm(const NoiseSchedule& schedule, const SolverOptions& options,
                                  const SamplingGrid& grid) {
  return std::make_unique<Ddpm>(schedule, options, grid);
}

}  // namespace echopath::diffusion
