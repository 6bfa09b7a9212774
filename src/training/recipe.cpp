#include "echopath/training/recipe.hpp"

namespace echopath::training {

std::vector<NamedParameter> named_parameters(const std::vector<NamedModule>& modules) {
  std::vector<NamedParameter> parameters;
  for (const NamedModule& module : modules) {
    for (const auto& item : module.module->named_parameters()) {
      if (item.value().requires_grad()) {
        parameters.push_back({module.name + "." + item.key(), item.value()});
      }
    }
  }
  return parameters;
}

}  // namespace echopath::training
