#pragma once

#include <torch/torch.h>

#include <limits>

#include "echopath/core/random.hpp"
#include "echopath/training/recipe.hpp"

namespace echopath::training {

/// Linear regression on data keyed by (step, position): small, but with everything a recipe has.
class ToyRecipe : public Recipe {
 public:
  ToyRecipe() {
    torch::manual_seed(5);
    model_ = torch::nn::Linear(3, 1);
  }
  std::vector<NamedModule> modules(int) override { return {{"toy", model_.ptr()}}; }
  Batch load(const MicroBatch& batch) const override {
    std::vector<at::Tensor> rows;
    for (const std::int64_t position : batch.positions) {
      rows.push_back(
          normal_tensor({3}, {1, Stream::kTrainingNoise, static_cast<std::uint32_t>(batch.step),
                              static_cast<std::uint32_t>(position)}));
    }
    return {batch, {{"x", at::stack(rows)}}, {}};
  }
  at::Tensor loss(int, const Batch& batch, Figures& figures) override {
    const at::Tensor& x = batch.tensors.at("x");
    const at::Tensor y = x.sum(1, true) + 0.5;
    figures.emplace_back("items", static_cast<double>(x.size(0)));
    at::Tensor loss = (model_->forward(x) - y).square().mean();
    if (batch.at.step >= poisoned_from && batch.at.step < poisoned_to) loss = loss * std::nan("");
    return loss;
  }
  Figures validate() override { return {{"val_error", error()}}; }
  void export_model(const std::filesystem::path&, std::int64_t) override {}
  double error() { return (model_->weight - 1).abs().max().item<double>(); }
  at::Tensor weight() { return model_->weight.detach().clone(); }

  std::int64_t poisoned_from = std::numeric_limits<std::int64_t>::max();
  std::int64_t poisoned_to = std::numeric_limits<std::int64_t>::max();

 private:
  torch::nn::Linear model_{nullptr};
};

}  // namespace echopath::training
