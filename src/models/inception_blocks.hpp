#pragma once

#include <torch/torch.h>

#include <array>
#include <string>

namespace echopath::models {

/// Height and width.
using Extent = std::array<std::int64_t, 2>;

/// Convolution, batch normalisation with the statistics of training, ReLU; `conv.weight`,
/// `bn.{weight,bias,running_mean,running_var}`.
class InceptionConv : public torch::nn::Module {
 public:
  struct Shape {
    std::int64_t in = 0;
    std::int64_t out = 0;
    Extent kernel = {1, 1};
    std::int64_t stride = 1;
    Extent padding = {0, 0};
  };

  explicit InceptionConv(const Shape& shape);
  torch::Tensor forward(const torch::Tensor& x);

 private:
  /// Weight and bias of the convolution with the normalisation multiplied in, made at first use.
  void fold();

  Shape shape_;
  torch::Tensor weight_, scale_, shift_, mean_, variance_;
  torch::Tensor folded_weight_, folded_bias_;
};

using InceptionConvPtr = std::shared_ptr<InceptionConv>;

/// What the mixed blocks have in common: branches whose outputs are put side by side.
class InceptionBlock : public torch::nn::Module {
 public:
  virtual torch::Tensor forward(const torch::Tensor& x) = 0;

 protected:
  /// A chain of convolutions.
  using Chain = std::vector<InceptionConvPtr>;
  InceptionConvPtr add(const std::string& name, const InceptionConv::Shape& shape);
  static torch::Tensor run(const Chain& chain, torch::Tensor x);
};

using InceptionBlockPtr = std::shared_ptr<InceptionBlock>;

/// 35×35: 1×1, 5×5, two 3×3, pool.
InceptionBlockPtr make_inception_a(std::int64_t in, std::int64_t pool_features);
/// 35×35 to 17×17.
InceptionBlockPtr make_inception_b(std::int64_t in);
/// 17×17: 7×7 in parts, `middle` channels wide.
InceptionBlockPtr make_inception_c(std::int64_t in, std::int64_t middle);
/// 17×17 to 8×8.
InceptionBlockPtr make_inception_d(std::int64_t in);
/// 8×8; `max_pool`: the last block's, where TensorFlow's network has a max pool.
InceptionBlockPtr make_inception_e(std::int64_t in, bool max_pool);

}  // namespace echopath::models
