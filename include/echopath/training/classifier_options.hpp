#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "echopath/config/options.hpp"
#include "echopath/models/classifier.hpp"
#include "echopath/training/augmentation.hpp"
#include "echopath/training/options.hpp"

namespace echopath::training {

/// Datasets to train a classifier on.
struct ClassifierDataOptions {
  std::string dataset;
  /// Their TRAIN videos are added to those of `dataset`, `extra_ratios[i]` times as many of each
  /// class as `dataset` has.
  std::vector<std::string> extra_datasets;
  std::vector<double> extra_ratios;
  std::string validation_dataset;
  double validation_fraction = 0.0;
  std::vector<std::string> classes;
  bool balance_classes = false;
  double cache_gigabytes = 4.0;
  bool skip_unreadable = false;
  void visit(config::Visitor& v);
};

/// Where the classifier starts from, with --init-from.
struct ClassifierInitOptions {
  std::string component;
  std::string head = "load";
  void visit(config::Visitor& v);
};

struct ClassifierOptions {
  /// `classes` and what else follows from the other options is filled in by `network()`.
  models::ClassifierConfig model;
  ClassifierDataOptions data;
  AugmentationOptions augmentation;
  std::string class_weights = "none";
  std::vector<double> class_weight_list;
  double dice_weight = 1.0;
  std::string selection = "loss";
  std::int64_t patience = 10;
  ClassifierInitOptions init;
  LoopOptions training;
  OutputOptions output;
  std::string component = "classifier";  ///< key output.component
  ClassifierOptions();
  void visit(config::Visitor& v);

  /// The network's config.json: `model` with the classes; for segmentation without a list, the
  /// labels that `echopath phantom` writes.
  models::ClassifierConfig network() const;
  /// The component of --init-from's model directory that holds the weights.
  std::string init_component() const;
};

}  // namespace echopath::training
