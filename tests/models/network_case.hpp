#pragma once

#include <torch/torch.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "echopath/models/compatibility.hpp"
#include "models/fixture.hpp"

namespace echopath::models::testing {

using Tensors = std::map<std::string, torch::Tensor>;

/// A fixture's network with the fixture's weights, in evaluation mode.
struct NetworkCase {
  std::shared_ptr<torch::nn::Module> module;
  Tensors inputs;  ///< the fixture's, the floating-point ones as leaves that ask for gradients
  std::function<Tensors(const Tensors& inputs)> run;  ///< outputs under the fixture's names
  config::Json written_config;                        ///< what we write into config.json
};

/// The network of the config's `_class_name`, as initialised.
std::shared_ptr<torch::nn::Module> build_network(const config::Json& json);

/// The same with the fixture's weights and inputs.
NetworkCase make_case(const Fixture& fixture, Compatibility compatibility = {});

/// The fixtures' scalar loss of a network's outputs.
torch::Tensor loss_of(const Tensors& outputs);

}  // namespace echopath::models::testing
