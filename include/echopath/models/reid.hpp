#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <string>
#include <vector>

#include "echopath/config/options.hpp"
#include "echopath/models/resnet.hpp"

namespace echopath::models {

/// The re-identification network; the defaults are EchoNet-Synthetic's (a ResNet-50 with a
/// 4-channel stem).
struct ReIdConfig : ResNetShape {
  std::int64_t embedding_dim = 128;

  ReIdConfig() { in_channels = 4; }
  void visit(config::Visitor& v);
};

/// Siamese network: are two latent frames of one person? Keys `model.*` (torchvision's names) and
/// `fc_end.*`, as EchoNet-Synthetic saves them. It computes in the precision of its weights under
/// autocast too: its answer hangs on small differences of embeddings, of which bfloat16 loses a
/// twentieth to a sixth.
class ReIdNetImpl : public torch::nn::Module {
 public:
  explicit ReIdNetImpl(ReIdConfig config = {});

  /// x [B, in_channels, H, W], normalised to [−1, 1]; the sigmoid embedding [B, embedding_dim].
  torch::Tensor embed(const torch::Tensor& x);
  /// The logit [B] of "same person" from |embed(a) − embed(b)|.
  torch::Tensor forward(const torch::Tensor& a, const torch::Tensor& b);
  /// The same from embeddings [B, embedding_dim].
  torch::Tensor compare(const torch::Tensor& embedding_a, const torch::Tensor& embedding_b);

  const ReIdConfig& config() const { return config_; }

 private:
  ReIdConfig config_;
  ResNet model_{nullptr};
  torch::nn::Linear fc_end_{nullptr};
};
TORCH_MODULE(ReIdNet);

/// Scales each item x[b] to [−1, 1] by its own minimum and maximum over all other dimensions
/// (EchoNet-Synthetic's `pmone`). A constant item becomes −1 throughout.
torch::Tensor normalise_per_frame(const torch::Tensor& x);
/// The same with one minimum and maximum over the whole tensor (a whole video, or a whole set).
torch::Tensor normalise_jointly(const torch::Tensor& x);

/// Pearson correlation of every row of `a` [N, E] with every row of `b` [M, E]: [N, M]. A constant
/// row correlates 0 with everything.
torch::Tensor pearson_similarity(const torch::Tensor& a, const torch::Tensor& b);

}  // namespace echopath::models
