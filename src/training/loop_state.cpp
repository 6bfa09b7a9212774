#include "training/loop_state.hpp"

#include <cmath>

namespace echopath::training {
namespace {

/// JSON has no numbers that are not finite.
config::Json finite_or_null(double value) {
  return std::isfinite(value) ? config::Json(value) : config::Json();
}

double number_or(const config::Json& json, double otherwise) {
  return json.is_null() ? otherwise : json.get<double>();
}

}  // namespace

config::Json LoopState::to_json() const {
  config::Json figures = config::Json::array();
  for (const auto& [name, value] : validation) figures.push_back({name, finite_or_null(value)});
  return {
      {"step", step},          {"scaler", scaler.state()},         {"guard", guard.state()},
      {"validation", figures}, {"validated_step", validated_step}, {"best", finite_or_null(best)},
      {"best_step", best_step}};
}

void LoopState::from_json(const config::Json& json) {
  step = json.at("step").get<std::int64_t>();
  scaler.load_state(json.at("scaler"));
  guard.load_state(json.at("guard"));
  validation.clear();
  for (const config::Json& figure : json.at("validation")) {
    validation.emplace_back(figure.at(0).get<std::string>(), number_or(figure.at(1), std::nan("")));
  }
  validated_step = json.at("validated_step").get<std::int64_t>();
  best = number_or(json.at("best"), std::numeric_limits<double>::infinity());
  best_step = json.at("best_step").get<std::int64_t>();
}

}  // namespace echopath::training
