#include "echopath/models/latent_image_model.hpp"

#include "echopath/core/text.hpp"
#include "models/network_config.hpp"

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

template <class Options>
std::unique_ptr<LatentImageModel> model_of(const config::Json& config, const std::string& source) {
  Options options;
  apply_network_config(config, config::visit_of(options), source);
  return named_after(source, [&] { return make_latent_image_model(options); });
}

}  // namespace

std::unique_ptr<LatentImageModel> make_latent_image_model(const UNet2DConditionConfig& config) {
  return std::make_unique<ConditionalImageModel>(config);
}

std::unique_ptr<LatentImageModel> make_latent_image_model(const UNet2DConfig& config) {
  return std::make_unique<UnconditionalImageModel>(config);
}

std::unique_ptr<LatentImageModel> make_latent_image_model(const config::Json& config,
                                                          const std::string& source) {
  const std::string name = class_name_of(config, source);
  if (name == "UNet2DModel") return model_of<UNet2DConfig>(config, source);
  if (name == "UNet2DConditionModel") return model_of<UNet2DConditionConfig>(config, source);
  throw ConfigError(source + ": _class_name is " + (name.empty() ? "absent" : quoted_text(name)) +
                    "; an image UNet is UNet2DConditionModel or UNet2DModel");
}

}  // namespace echopath::models
