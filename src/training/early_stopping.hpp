#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <map>
#include <string>

namespace echopath::training {

/// Stops a training after a number of validations without a smaller figure.
class EarlyStopping {
 public:
  explicit EarlyStopping(std::int64_t patience) : patience_(patience) {}

  /// Takes note of one validation; a figure that is not a number is no gain.
  void note(double figure) {
    const bool gain = figure < best_;
    if (gain) best_ = figure;
    without_gain_ = gain ? 0 : without_gain_ + 1;
  }
  bool finished() const { return without_gain_ >= patience_; }

  /// For Recipe::state().
  std::map<std::string, double> state() const {
    std::map<std::string, double> state = {
        {"validations_without_gain", static_cast<double>(without_gain_)}};
    if (std::isfinite(best_)) state["best_loss"] = best_;
    return state;
  }
  void load_state(const std::map<std::string, double>& state) {
    const auto best = state.find("best_loss");
    if (best != state.end()) best_ = best->second;
    without_gain_ = static_cast<std::int64_t>(state.at("validations_without_gain"));
  }

 private:
  std::int64_t patience_;
  double best_ = std::numeric_limits<double>::infinity();
  std::int64_t without_gain_ = 0;
};

}  // namespace echopath::training
