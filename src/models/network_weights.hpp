#pragma once

#include <torch/torch.h>

#include <map>
#include <string>
#include <vector>

#include "models/recognise.hpp"
#include "models/weight_files.hpp"

namespace echopath::models {

/// Stored weights by the names of the network that they belong to.
struct NetworkWeights {
  io::TensorMap tensors;
  /// Name in the network → name in the file; empty where the file has none.
  std::map<std::string, std::string> origin;
  std::vector<std::string> left_out;  ///< what stands beside the network in the file
};

/// Gives every tensor its name in the network (map_keys()); float64 becomes float32. Throws
/// DataError naming `where` if two would get the same.
NetworkWeights name_weights(const io::TensorMap& stored, const Recognised& recognised,
                            const std::string& where);

/// What files of other versions write differently: attention weights as 1×1 convolutions become
/// matrices, and BatchNorm's step counters, which nothing here reads, are filled in.
void adapt_weights(NetworkWeights& weights, const TensorSpecs& expected);

/// load_weights() of a folder's weights, whatever convert reads there: one safetensors file, shards
/// with an index, a file of torch.save. Where the file holds a tensor as the network wants it in
/// memory, the network works on the map of the file, whose pages come when they are first used;
/// writing to them changes this process's copy only. Throws DataError as it and
/// read_stored_weights() do, and on tensors that stand beside the network.
void load_network_weights(torch::nn::Module& module, const std::filesystem::path& weights);
/// The same into the memory that the network has; tensors whose names start with `kept`, where that
/// is not empty, stay as they are.
void copy_network_weights(torch::nn::Module& module, const std::filesystem::path& weights,
                          const std::string& kept);

}  // namespace echopath::models
