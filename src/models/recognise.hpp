#pragma once

#include <optional>
#include <string>
#include <vector>

#include "models/weight_check.hpp"

namespace echopath::models {

/// What the names of a state dict tell.
struct Recognised {
  std::string class_name;  ///< of a network that can be built
  /// What stands before the network's own names: "", "state_dict.", "model.", "module.", …
  std::string prefix;
  bool latent_diffusion_names = false;  ///< a VAE with the names of the original code
};

/// Looks for the names of a known network, bare or in the usual wrappings.
std::optional<Recognised> recognise(const TensorSpecs& specs);

/// One tensor on its way from the source into the network.
struct KeyMove {
  std::string from;
  std::string to;
};

struct KeyMapping {
  std::vector<KeyMove> moves;
  /// What stands beside the network in the file: optimizer, discriminator.
  std::vector<std::string> left_out;
};

/// Names as the network has them: without the prefix; legacy attention names (query, key, value,
/// proj_attn) and those of the original latent-diffusion code replaced by diffusers'; a classifier
/// head `fc.1` by `fc`.
KeyMapping map_keys(const TensorSpecs& specs, const Recognised& recognised);

}  // namespace echopath::models
