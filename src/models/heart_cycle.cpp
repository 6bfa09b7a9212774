#include "echopath/models/heart_cycle.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "echopath/core/errors.hpp"
#include "echopath/core/statistics.hpp"
#include "echopath/models/model_directory.hpp"

namespace echopath::models {
namespace {

constexpr std::size_t kPercentiles = 11;

/// From the 5th to the 95th.
double percent(std::size_t i) {
  return 5.0 + 9.0 * static_cast<double>(i);
}

}  // namespace

HeartCycle HeartCycle::after(double seconds) const {
  const double turns = start + seconds * beats_per_minute / 60.0;
  return {beats_per_minute, turns - std::floor(turns)};
}

at::Tensor heart_phase(const std::optional<HeartCycle>& cycle, double fps, std::int64_t frames,
                       std::int64_t height, std::int64_t width) {
  if (!cycle) return at::zeros({frames, kPhaseChannels, height, width});
  const at::Tensor turns =
      cycle->start + at::arange(frames, at::kDouble) * (cycle->beats_per_minute / 60.0 / fps);
  const at::Tensor phase = 2.0 * std::numbers::pi * turns;
  return at::stack({phase.cos(), phase.sin()}, 1)
      .to(at::kFloat)
      .view({frames, kPhaseChannels, 1, 1})
      .expand({frames, kPhaseChannels, height, width});
}

HeartRates HeartRates::of(const std::map<std::string, std::vector<double>>& rates) {
  HeartRates result;
  for (const auto& [name, values] : rates) {
    std::vector<double>& percentiles = result.percentiles_[name];
    if (values.empty()) continue;
    for (std::size_t i = 0; i < kPercentiles; ++i) {
      // A tenth of a beat per minute is more than can be measured.
      percentiles.push_back(std::round(percentile(values, percent(i)) * 10.0) / 10.0);
    }
  }
  return result;
}

HeartRates HeartRates::from_json(const config::Json& json, const std::string& source) {
  HeartRates result;
  const auto refuse = [&](const std::string& name) {
    throw DataError(source + ": heart_rates of '" + name +
                    "' must be eleven rising numbers above 0, or none");
  };
  if (!json.is_object()) throw DataError(source + ": heart_rates must be an object of classes");
  for (const auto& [name, values] : json.items()) {
    std::vector<double>& percentiles = result.percentiles_[name];
    if (!values.is_array() || (!values.empty() && values.size() != kPercentiles)) refuse(name);
    for (const config::Json& value : values) {
      if (!value.is_number() || !(value.get<double>() > 0.0)) refuse(name);
      percentiles.push_back(value.get<double>());
    }
    if (!std::is_sorted(percentiles.begin(), percentiles.end())) refuse(name);
  }
  return result;
}

std::optional<HeartRates> HeartRates::learned(const ModelInfo& info, const std::string& directory) {
  const auto record = info.trained_on.find("lvdm");
  if (record == info.trained_on.end() || !record->second.contains("heart_rates")) {
    return std::nullopt;
  }
  return from_json(record->second.at("heart_rates"), directory + "/echopath.json");
}

config::Json HeartRates::to_json() const {
  config::Json json = config::Json::object();
  for (const auto& [name, percentiles] : percentiles_) json[name] = percentiles;
  return json;
}

std::optional<double> HeartRates::at(const std::string& class_name, double share) const {
  const auto found = percentiles_.find(class_name);
  if (found == percentiles_.end() || found->second.empty()) return std::nullopt;
  return percentile(found->second, 100.0 * share);
}

}  // namespace echopath::models
