#include "echopath/training/classifier_options.hpp"

namespace echopath::training {
namespace {

/// Grey levels of the phantom's masks (docs/phantom.md).
const std::vector<std::string> kPhantomLabels = {"background", "LV", "RV",
                                                 "LA",         "RA", "myocardium"};

}  // namespace

void ClassifierDataOptions::visit(config::Visitor& v) {
  v.text("dataset", dataset,
         "dataset directory with FileList.csv and Videos/ (a sample directory is one); for task "
         "segmentation with Masks/ too");
  v.texts("extra_datasets", extra_datasets,
          "dataset directories whose TRAIN videos are trained on as well: synthetic ones beside "
          "real ones");
  v.reals("extra_ratios", extra_ratios, {0, 1e6},
          "how many videos of each extra dataset, for each class, relative to those of dataset");
  v.text("validation_dataset", validation_dataset,
         "dataset directory whose VAL videos select the model (empty: dataset's own)");
  v.real("validation_fraction", validation_fraction, {0, 0.9},
         "share of dataset's TRAIN patients held out for validation in place of a VAL split, for "
         "sample directories, which have none");
  v.texts("classes", classes,
          "class names in the order of their labels; videos of other classes are left out. For "
          "segmentation: the structures in the order of their grey levels in Masks/, from the "
          "background (empty: those of `echopath phantom`)");
  v.boolean("balance_classes", balance_classes, "draw every class equally often");
  v.real("cache_gigabytes", cache_gigabytes, {0, 10000}, "decoded videos kept in memory");
  v.boolean(
      "skip_unreadable", skip_unreadable,
      "pass over training videos that cannot be decoded, each told once, instead of stopping");
}

void ClassifierInitOptions::visit(config::Visitor& v) {
  v.text("component", component,
         "folder of --init-from that holds the weights: r3d_18 for torchvision's through `echopath "
         "convert` (empty: output.component)");
  v.choice("head", head, {"load", "new"},
           "the last layer: loaded too, or made new, where it is for other classes");
}

ClassifierOptions::ClassifierOptions() {
  training.steps = 3000;
  training.batch_size = 8;
  training.optimizer = "adamw";
  training.learning_rate = 1e-4;
  training.learning_rate_schedule = "cosine";
  training.weight_decay = 1e-4;
  training.ema_decay = 0.0;
  training.validate_every = 100;
}

void ClassifierOptions::visit(config::Visitor& v) {
  v.choice("task", model.task, {"classification", "segmentation"},
           "which class a clip shows, or which structure each pixel");
  v.choice("architecture", model.architecture, {"r3d_18", "r2plus1d_18", "resnet50", "unet"},
           "video ResNets; a ResNet on single frames, probabilities averaged; the U-Net of task "
           "segmentation");
  v.section(
      "model", [this](config::Visitor& m) { model.visit_model(m); }, "the network");
  v.nested("clip", model.clip, "what the network takes of a video");
  v.nested("data", data, "training data");
  v.nested("augmentation", augmentation, "how training clips are varied");
  v.section(
      "loss",
      [this](config::Visitor& l) {
        l.choice("class_weights", class_weights, {"none", "balanced", "given"},
                 "weight of an item by its class: 1, N / (classes x count), or class_weight_list");
        l.reals("class_weight_list", class_weight_list, {0, 1e6},
                "with class_weights given: one for each class");
        l.real("dice_weight", dice_weight, {0, 1e6},
               "segmentation: Dice loss beside the cross-entropy");
      },
      "terms of the loss");
  v.choice("selection", selection, {"loss", "auc", "accuracy"},
           "which validation figure decides what is kept; segmentation: loss, or accuracy for the "
           "mean Dice coefficient");
  v.integer("patience", patience, {1, 1'000'000},
            "validations without a better figure after which training stops");
  v.nested("init", init, "with --init-from");
  v.nested("training", training, "step loop");
  v.section(
      "output",
      [this](config::Visitor& o) {
        output.visit(o);
        o.text("component", component,
               "folder of the model directory, so that it can hold several classifiers");
      },
      "where the trained network goes");
}

models::ClassifierConfig ClassifierOptions::network() const {
  models::ClassifierConfig config = model;
  config.classes = data.classes.empty() && config.is_segmentation() ? kPhantomLabels : data.classes;
  return config;
}

std::string ClassifierOptions::init_component() const {
  return init.component.empty() ? component : init.component;
}

}  // namespace echopath::training
