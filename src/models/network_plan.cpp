#include "models/network_plan.hpp"

#include <algorithm>

#include "echopath/core/errors.hpp"
#include "echopath/core/text.hpp"
#include "echopath/models/autoencoder_kl.hpp"
#include "echopath/models/classifier.hpp"
#include "echopath/models/reid.hpp"
#include "echopath/models/resnet.hpp"
#include "echopath/models/unet_2d.hpp"
#include "echopath/models/unet_2d_condition.hpp"
#include "echopath/models/unet_spatio_temporal.hpp"
#include "echopath/models/video_resnet.hpp"
#include "echopath/models/weights.hpp"
#include "echopath/nn/initialisation.hpp"
#include "models/config_checks.hpp"
#include "models/network_config.hpp"

namespace echopath::models {

namespace {

template <class Options>
void complete(Options&) {}
void complete(AutoencoderKLConfig& config) {
  config.complete();
}

template <class Module, class Options>
NetworkPlan plan_of(const std::string& class_name, const config::Json& config,
                    const std::string& source) {
  Options options;
  apply_network_config(config, config::visit_of(options), source);
  const nn::UninitialisedScope shapes_only;  // a huge network costs no memory that is not written
  const Module module = named_after(source, [&] {
    complete(options);
    return Module(options);
  });
  NetworkPlan plan;
  plan.class_name = class_name;
  plan.config = {{"_class_name", class_name}};
  plan.config.update(complete_config(config, config::visit_of(options)));
  drop_default_groups(class_name, plan.config);
  plan.specs = specs_of(state_dict(*module));
  plan.parameters = parameter_count(*module);
  return plan;
}

using Planner = NetworkPlan (*)(const std::string&, const config::Json&, const std::string&);

const std::vector<std::pair<std::string, Planner>>& planners() {
  static const std::vector<std::pair<std::string, Planner>> kPlanners = {
      {"AutoencoderKL", plan_of<AutoencoderKL, AutoencoderKLConfig>},
      {"UNet2DModel", plan_of<UNet2DModel, UNet2DConfig>},
      {"UNet2DConditionModel", plan_of<UNet2DConditionModel, UNet2DConditionConfig>},
      {"UNetSpatioTemporalConditionModel",
       plan_of<UNetSpatioTemporalConditionModel, UNetSpatioTemporalConfig>},
      {"ReIdNet", plan_of<ReIdNet, ReIdConfig>},
      {"ResNet", plan_of<ResNet, ResNetOptions>},
      {"VideoResNet", plan_of<VideoResNet, VideoResNetOptions>},
      {"Classifier", plan_of<Classifier, ClassifierConfig>},
  };
  return kPlanners;
}

}  // namespace

const std::vector<std::string>& known_networks() {
  static const std::vector<std::string> kNames = [] {
    std::vector<std::string> names;
    for (const auto& [name, planner] : planners()) names.push_back(name);
    return names;
  }();
  return kNames;
}

bool is_known_network(const std::string& class_name) {
  const auto& names = known_networks();
  return std::find(names.begin(), names.end(), class_name) != names.end();
}

NetworkPlan plan_network(const std::string& class_name, const config::Json& config,
                         const std::string& source) {
  for (const auto& [name, plan] : planners()) {
    if (name == class_name) return plan(class_name, config, source);
  }
  throw ConfigError(source + ": _class_name is " + quoted_text(class_name) +
                    "; supported: " + join(known_networks(), ", "));
}

std::string component_name(const NetworkPlan& plan) {
  if (plan.class_name == "AutoencoderKL") return "vae";
  if (plan.class_name == "ReIdNet") return "reid";
  if (plan.class_name == "UNetSpatioTemporalConditionModel") return "lvdm";
  if (plan.class_name == "ResNet") return "resnet50";
  if (plan.class_name == "Classifier") return "classifier";
  if (plan.class_name == "VideoResNet") {
    return plan.config.at("convolution") == "3d" ? "r3d_18" : "r2plus1d_18";
  }
  return "lidm";
}

}  // namespace echopath::models
