#pragma once

#include <string>

#include "echopath/models/model_directory.hpp"

namespace echopath::models {

/// Copies the weights of a component (ModelDirectory::has() says which there are) into a network
/// that is there, but for the tensors whose names start with `kept`, where that is not empty.
/// Throws DataError where they are absent, damaged or another network's.
void copy_weights(const ModelDirectory& model, const std::string& component,
                  torch::nn::Module& network, const std::string& kept = "");

}  // namespace echopath::models
