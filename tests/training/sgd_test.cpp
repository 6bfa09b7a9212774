#include "echopath/training/sgd.hpp"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include "echopath/core/errors.hpp"
#include "echopath/training/options.hpp"

namespace echopath::training {
namespace {

at::Tensor parameter(const at::Tensor& value) {
  return value.clone().requires_grad_(true);
}

void set_gradient(const at::Tensor& weight, int step) {
  weight.mutable_grad() = at::sin(weight.detach() * (step + 1.0)) + 0.1 * step;
}

TEST(Sgd, EqualsLibTorchsSgdAtAChangingRate) {
  const at::Tensor start = at::linspace(-1, 1, 20).view({5, 4});
  for (const double momentum : {0.0, 0.9}) {
    at::Tensor ours = parameter(start), theirs = parameter(start);
    Sgd sgd({{"w", ours}}, {momentum, 0.1});
    torch::optim::SGD reference({theirs},
                                torch::optim::SGDOptions(1.0).momentum(momentum).weight_decay(0.1));
    for (int step = 0; step < 10; ++step) {
      const double rate = 0.02 / (1.0 + step);
      static_cast<torch::optim::SGDOptions&>(reference.param_groups()[0].options()).lr(rate);
      set_gradient(ours, step);
      set_gradient(theirs, step);
      sgd.step(rate);
      reference.step();
    }
    EXPECT_LT((ours - theirs).abs().max().item<double>(), 1e-6) << momentum;
    EXPECT_GT((ours - start).abs().max().item<double>(), 1e-2) << momentum;
  }
}

TEST(Sgd, StateSavedAndLoadedContinuesBitExactly) {
  at::Tensor a = parameter(at::linspace(-1, 1, 6)), b = parameter(at::linspace(-1, 1, 6));
  Sgd first({{"w", a}}, {});
  for (int step = 0; step < 3; ++step) {
    set_gradient(a, step);
    first.step(1e-2);
  }
  Sgd second({{"w", b}}, {});
  second.load_state(first.state(), "test");
  b.detach().copy_(a.detach());
  set_gradient(a, 3);
  set_gradient(b, 3);
  first.step(1e-2);
  second.step(1e-2);
  EXPECT_TRUE(at::equal(a, b));
  EXPECT_THROW(second.load_state({}, "test"), DataError);
}

TEST(Sgd, LeavesAParameterWithoutGradientAsItIs) {
  at::Tensor a = parameter(at::ones({2})), b = parameter(at::ones({2}));
  Sgd sgd({{"a", a}, {"b", b}}, {});
  set_gradient(a, 1);
  sgd.step(0.1);
  EXPECT_FALSE(at::equal(a, at::ones({2})));
  EXPECT_TRUE(at::equal(b, at::ones({2})));
}

TEST(MakeOptimizer, MakesTheOneThatTheOptionsName) {
  LoopOptions loop;
  const std::vector<NamedParameter> parameters = {{"w", parameter(at::ones({2}))}};
  const auto keys = [&](const char* name) {
    loop.optimizer = name;
    std::vector<std::string> names;
    for (const auto& [key, tensor] : make_optimizer(parameters, loop)->state()) {
      names.push_back(key);
    }
    return names;
  };
  EXPECT_EQ(keys("sgd"), std::vector<std::string>{"w.momentum"});
  EXPECT_EQ(optimizer_values(loop), 1);
  loop.sgd_momentum = 0.0;
  EXPECT_TRUE(keys("sgd").empty());
  EXPECT_EQ(optimizer_values(loop), 0);
  EXPECT_EQ(keys("adamw"), (std::vector<std::string>{"w.exp_avg", "w.exp_avg_sq", "w.step"}));
  EXPECT_EQ(optimizer_values(loop), 2);
}

}  // namespace
}  // namespace echopath::training
