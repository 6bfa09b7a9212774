#include "models/inception_blocks.hpp"

namespace echopath::models {
namespace {

using torch::Tensor;
using Shape = InceptionConv::Shape;

constexpr double kNormalisationEps = 1e-3;

Shape square(std::int64_t in, std::int64_t out, std::int64_t size, std::int64_t padding = 0,
             std::int64_t stride = 1) {
  return {in, out, {size, size}, stride, {padding, padding}};
}

/// `size` pixels high or wide, 1 the other way, at an unchanged size.
Shape high(std::int64_t in, std::int64_t out, std::int64_t size) {
  return {in, out, {size, 1}, 1, {size / 2, 0}};
}
Shape wide(std::int64_t in, std::int64_t out, std::int64_t size) {
  return {in, out, {1, size}, 1, {0, size / 2}};
}

/// Padding does not count in the average, as in TensorFlow.
Tensor average_pool(const Tensor& x) {
  return at::avg_pool2d(x, 3, 1, 1, /*ceil_mode=*/false, /*count_include_pad=*/false);
}

class InceptionA : public InceptionBlock {
 public:
  InceptionA(std::int64_t in, std::int64_t pool_features)
      : one_{add("branch1x1", square(in, 64, 1))},
        five_{add("branch5x5_1", square(in, 48, 1)), add("branch5x5_2", square(48, 64, 5, 2))},
        three_{add("branch3x3dbl_1", square(in, 64, 1)),
               add("branch3x3dbl_2", square(64, 96, 3, 1)),
               add("branch3x3dbl_3", square(96, 96, 3, 1))},
        pool_{add("branch_pool", square(in, pool_features, 1))} {}

  Tensor forward(const Tensor& x) override {
    return at::cat({run(one_, x), run(five_, x), run(three_, x), run(pool_, average_pool(x))}, 1);
  }

 private:
  Chain one_, five_, three_, pool_;
};

class InceptionB : public InceptionBlock {
 public:
  explicit InceptionB(std::int64_t in)
      : three_{add("branch3x3", square(in, 384, 3, 0, 2))},
        double_{add("branch3x3dbl_1", square(in, 64, 1)),
                add("branch3x3dbl_2", square(64, 96, 3, 1)),
                add("branch3x3dbl_3", square(96, 96, 3, 0, 2))} {}

  Tensor forward(const Tensor& x) override {
    return at::cat({run(three_, x), run(double_, x), at::max_pool2d(x, 3, 2)}, 1);
  }

 private:
  Chain three_, double_;
};

class InceptionC : public InceptionBlock {
 public:
  InceptionC(std::int64_t in, std::int64_t middle)
      : one_{add("branch1x1", square(in, 192, 1))},
        seven_{add("branch7x7_1", square(in, middle, 1)),
               add("branch7x7_2", wide(middle, middle, 7)),
               add("branch7x7_3", high(middle, 192, 7))},
        double_{add("branch7x7dbl_1", square(in, middle, 1)),
                add("branch7x7dbl_2", high(middle, middle, 7)),
                add("branch7x7dbl_3", wide(middle, middle, 7)),
                add("branch7x7dbl_4", high(middle, middle, 7)),
                add("branch7x7dbl_5", wide(middle, 192, 7))},
        pool_{add("branch_pool", square(in, 192, 1))} {}

  Tensor forward(const Tensor& x) override {
    return at::cat({run(one_, x), run(seven_, x), run(double_, x), run(pool_, average_pool(x))}, 1);
  }

 private:
  Chain one_, seven_, double_, pool_;
};

class InceptionD : public InceptionBlock {
 public:
  explicit InceptionD(std::int64_t in)
      : three_{add("branch3x3_1", square(in, 192, 1)),
               add("branch3x3_2", square(192, 320, 3, 0, 2))},
        seven_{add("branch7x7x3_1", square(in, 192, 1)), add("branch7x7x3_2", wide(192, 192, 7)),
               add("branch7x7x3_3", high(192, 192, 7)),
               add("branch7x7x3_4", square(192, 192, 3, 0, 2))} {}

  Tensor forward(const Tensor& x) override {
    return at::cat({run(three_, x), run(seven_, x), at::max_pool2d(x, 3, 2)}, 1);
  }

 private:
  Chain three_, seven_;
};

class InceptionE : public InceptionBlock {
 public:
  InceptionE(std::int64_t in, bool max_pool)
      : max_pool_(max_pool),
        one_{add("branch1x1", square(in, 320, 1))},
        three_{add("branch3x3_1", square(in, 384, 1))},
        three_wide_{add("branch3x3_2a", wide(384, 384, 3))},
        three_high_{add("branch3x3_2b", high(384, 384, 3))},
        double_{add("branch3x3dbl_1", square(in, 448, 1)),
                add("branch3x3dbl_2", square(448, 384, 3, 1))},
        double_wide_{add("branch3x3dbl_3a", wide(384, 384, 3))},
        double_high_{add("branch3x3dbl_3b", high(384, 384, 3))},
        pool_{add("branch_pool", square(in, 192, 1))} {}

  Tensor forward(const Tensor& x) override {
    const Tensor three = run(three_, x);
    const Tensor twice = run(double_, x);
    const Tensor pooled = max_pool_ ? at::max_pool2d(x, 3, 1, 1) : average_pool(x);
    return at::cat({run(one_, x), run(three_wide_, three), run(three_high_, three),
                    run(double_wide_, twice), run(double_high_, twice), run(pool_, pooled)},
                   1);
  }

 private:
  bool max_pool_;
  Chain one_, three_, three_wide_, three_high_, double_, double_wide_, double_high_, pool_;
};

}  // namespace

InceptionConv::InceptionConv(const Shape& shape) : shape_(shape) {
  const auto conv = register_module("conv", std::make_shared<torch::nn::Module>());
  const auto bn = register_module("bn", std::make_shared<torch::nn::Module>());
  weight_ = conv->register_parameter(
      "weight", torch::zeros({shape.out, shape.in, shape.kernel[0], shape.kernel[1]}), false);
  scale_ = bn->register_parameter("weight", torch::ones({shape.out}), false);
  shift_ = bn->register_parameter("bias", torch::zeros({shape.out}), false);
  mean_ = bn->register_buffer("running_mean", torch::zeros({shape.out}));
  variance_ = bn->register_buffer("running_var", torch::ones({shape.out}));
}

void InceptionConv::fold() {
  const Tensor factor =
      scale_.to(at::kDouble) / (variance_.to(at::kDouble) + kNormalisationEps).sqrt();
  folded_weight_ = (weight_.to(at::kDouble) * factor.view({-1, 1, 1, 1})).to(weight_.options());
  folded_bias_ = (shift_.to(at::kDouble) - mean_.to(at::kDouble) * factor).to(weight_.options());
}

Tensor InceptionConv::forward(const Tensor& x) {
  if (!folded_weight_.defined()) fold();
  Tensor y = at::conv2d(x, folded_weight_, folded_bias_, shape_.stride, shape_.padding);
  return y.relu_();
}

InceptionConvPtr InceptionBlock::add(const std::string& name, const InceptionConv::Shape& shape) {
  return register_module(name, std::make_shared<InceptionConv>(shape));
}

Tensor InceptionBlock::run(const Chain& chain, Tensor x) {
  for (const InceptionConvPtr& layer : chain) x = layer->forward(x);
  return x;
}

InceptionBlockPtr make_inception_a(std::int64_t in, std::int64_t pool_features) {
  return std::make_shared<InceptionA>(in, pool_features);
}
InceptionBlockPtr make_inception_b(std::int64_t in) {
  return std::make_shared<InceptionB>(in);
}
InceptionBlockPtr make_inception_c(std::int64_t in, std::int64_t middle) {
  return std::make_shared<InceptionC>(in, middle);
}
InceptionBlockPtr make_inception_d(std::int64_t in) {
  return std::make_shared<InceptionD>(in);
}
InceptionBlockPtr make_inception_e(std::int64_t in, bool max_pool) {
  return std::make_shared<InceptionE>(in, max_pool);
}

}  // namespace echopath::models
