#pragma once

#include <cstdio>
#include <string>

#include "echopath/training/recipe.hpp"

namespace echopath::training {

/// Four digits.
inline std::string short_number(double value) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.4g", value);
  return text;
}

/// "loss 0.1234  grad_norm 1.5".
inline std::string describe_figures(const Figures& figures) {
  std::string text;
  for (const auto& [name, value] : figures) {
    text += (text.empty() ? "" : "  ") + name + " " + short_number(value);
  }
  return text;
}

}  // namespace echopath::training
