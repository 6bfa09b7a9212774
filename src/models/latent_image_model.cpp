#include "echopath/models/latent_image_model.hpp"

#include "echopath/core/errors.hpp"

namespace echopath::models {

namespace {

class ConditionalImageModel : public LatentImageModel {
 public:
  explicit ConditionalImageModel(const UNet2DConditionConfig& config) : network_(config) {}

  torch::Tensor predict(const torch::Tensor& sample, const torch::Tensor& timestep,
                        const torch::Tensor& context) override {
    return network_->forward(sample, timestep, context);
  }
  nn::Condition prepare_time(const torch::Tensor& timestep) override {
    return network_->prepare_time(timestep);
  }
  nn::Condition prepare_context(const torch::Tensor& context) override {
    return network_->prepare_context(context);
  }
  torch::Tensor predict_prepared(const torch::Tensor& sample, const nn::Condition& time,
                                 const nn::Condition& context) override {
    return network_->forward_prepared(sample, time, context);
  }
  torch::nn::Module& module() override { return *network_; }
  bool conditional() const override { return true; }
  std::int64_t context_width() const override {
    return network_->config().cross_attention_dim.front();
  }
  std::string class_name() const override { return "UNet2DConditionModel"; }
  config::Json config_json() const override {
    UNet2DConditionConfig config = network_->config();
    return config::dump(config::visit_of(config));
  }

 private:
  UNet2DConditionModel network_;
};

class UnconditionalImageModel : public LatentImageModel {
 public:
  explicit UnconditionalImageModel(const UNet2DConfig& config) : network_(config) {}

  torch::Tensor predict(const torch::Tensor& sample, const torch::Tensor& timestep,
                        const torch::Tensor&) override {
    return network_->forward(sample, timestep);
  }
  nn::Condition prepare_time(const torch::Tensor& timestep) override {
    return network_->prepare_time(timestep);
  }
  nn::Condition prepare_context(const torch::Tensor&) override { return {}; }
  torch::Tensor predict_prepared(const torch::Tensor& sample, const nn::Condition& time,
                                 const nn::Condition&) override {
    return network_->forward_prepared(sample, time);
  }
  torch::nn::Module& module() override { return *network_; }
  bool conditional() const override { return false; }
  std::int64_t context_width() const override { return 0; }
  std::string class_name() const override { return "UNet2DModel"; }
  config::Json config_json() const override {
    UNet2DConfig config = network_->config();
    return config::dump(config::visit_of(config));
  }

 private:
  UNet2DModel network_;
};

}  // namespace

std::unique_ptr<LatentImageModel> make_latent_image_model(const UNet2DConditionConfig& config) {
  return std::make_unique<ConditionalImageModel>(config);
}

std::unique_ptr<LatentImageModel> make_latent_image_model(const UNet2DConfig& config) {
  return std::make_unique<UnconditionalImageModel>(config);
}

std::unique_ptr<LatentImageModel> make_latent_image_model(const config::Json& config,
                                                          const std::string& source) {
  const auto name = config.find("_class_name");
  if (name != config.end() && *name == "UNet2DModel") {
    UNet2DConfig options;
    config::apply(config, config::visit_of(options), source);
    return make_latent_image_model(options);
  }
  if (name != config.end() && *name == "UNet2DConditionModel") {
    UNet2DConditionConfig options;
    config::apply(config, config::visit_of(options), source);
    return make_latent_image_model(options);
  }
  throw ConfigError(source + ": _class_name is " +
                    (name == config.end() ? "absent" : name->dump()) +
                    "; an image UNet is UNet2DConditionModel or UNet2DModel");
}

}  // namespace echopath::models
