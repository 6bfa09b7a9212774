#include <algorithm>
#include <cmath>
#include <deque>

#include "diffusion/solvers.hpp"
#include "echopath/core/errors.hpp"

namespace echopath::diffusion {
namespace {

constexpr std::int64_t kHighestOrder = 3;

/// A known x_0 and the λ = ln(signal / noise) at which it was answered.
struct Node {
  double lambda;
  at::Tensor x0;
};

/// Weights ρ of the differences at `ratios` (in steps h, seen from the node that the step starts
/// at) for which Σ_k ρ_k r_k^(i−1) is the i-th coefficient of B₂(h) (Zhao et al. 2023, "UniPC",
/// equation 5, with data prediction). `h` is negative.
std::vector<double> weights(const std::vector<double>& ratios, double h) {
  const auto n = static_cast<std::int64_t>(ratios.size());
  const at::Tensor powers = at::empty({n, n}, at::kDouble);
  const at::Tensor moments = at::empty({n}, at::kDouble);
  double phi = std::expm1(h) / h - 1.0;
  double factorial = 1.0;
  for (std::int64_t i = 0; i < n; ++i) {
    for (std::int64_t k = 0; k < n; ++k) {
      powers[i][k] = std::pow(ratios[static_cast<std::size_t>(k)], static_cast<double>(i));
    }
    moments[i] = phi * factorial / std::expm1(h);
    factorial *= static_cast<double>(i + 2);
    phi = phi / h - 1.0 / factorial;
  }
  const at::Tensor solved = at::linalg_solve(powers, moments);
  const double* first = solved.const_data_ptr<double>();
  return {first, first + n};
}

/// UniPC-p: a multistep predictor of order p, whose result the network's answer there corrects to
/// order p + 1 before the next step.
class UniPc final : public Solver {
 public:
  UniPc(const NoiseSchedule& schedule, const SolverOptions& options, const SamplingGrid& grid)
      : Solver(schedule, options, grid) {
    if (options.solver_order < 1 || options.solver_order > kHighestOrder) {
      throw ConfigError("solver_order must be 1 to " + std::to_string(kHighestOrder) + ", not " +
                        std::to_string(options.solver_order));
    }
  }

  at::Tensor step(const at::Tensor& model_output, std::size_t index, const at::Tensor& sample,
                  const NoiseFunction& /*noise*/) override {
    const NoiseLevel& from = grid_step(index).from;
    const Node here{from.log_snr(), clipped_x0(model_output, sample, from)};
    at::Tensor corrected = sample;
    if (index > 0) corrected = advance(grid_step(index - 1), last_sample_, &here);
    nodes_.push_front(here);
    if (nodes_.size() > static_cast<std::size_t>(options_.solver_order)) nodes_.pop_back();
    order_ = order_at(index);
    last_sample_ = corrected;
    return advance(grid_step(index), corrected, nullptr);
  }

 private:
  /// A multistep formula needs its past, and clean data lie at infinite λ, where only the first
  /// order has a limit: the last steps come down to it.
  std::size_t order_at(std::size_t index) const {
    const std::size_t left = evaluations() - index;
    const bool ends_clean = grid_step(evaluations() - 1).to.clean();
    return ends_clean ? std::min(nodes_.size(), left) : nodes_.size();
  }

  /// From nodes_[0] over one step; `arrived` is the answer at its end, where that is known.
  at::Tensor advance(const GridStep& step, const at::Tensor& sample, const Node* arrived) const {
    const Node& start = nodes_[0];
    const double h = start.lambda - step.to.log_snr();
    std::vector<double> ratios;
    std::vector<at::Tensor> differences;
    for (std::size_t k = 1; k < order_; ++k) {
      ratios.push_back((start.lambda - nodes_[k].lambda) / h);
      differences.push_back((nodes_[k].x0 - start.x0) / ratios.back());
    }
    if (arrived != nullptr) {
      ratios.push_back(1.0);
      differences.push_back(arrived->x0 - start.x0);
    }
    const double base = step.to.signal * std::expm1(h);
    at::Tensor result = sample * (step.to.noise / step.from.noise) - start.x0 * base;
    if (ratios.empty()) return result;
    // A single weight is ½ up to terms that do not change the order; diffusers takes ½ itself.
    const std::vector<double> rho =
        ratios.size() == 1 ? std::vector<double>{0.5} : weights(ratios, h);
    for (std::size_t k = 0; k < rho.size(); ++k) result = result - differences[k] * (base * rho[k]);
    return result;
  }

  std::deque<Node> nodes_;  ///< the newest first
  std::size_t order_ = 1;   ///< of the latest step
  at::Tensor last_sample_;  ///< at the start of the latest step
};

}  // namespace

std::unique_ptr<Solver> make_unipc(const NoiseSchedule& schedule, const SolverOptions& options,
                                   const SamplingGrid& grid) {
  return std::make_unique<UniPc>(schedule, options, grid);
}

}  // namespace echopath::diffusion
