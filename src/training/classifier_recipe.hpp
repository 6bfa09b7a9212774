#pragma once

#include <map>
#include <string>
#include <vector>

#include "echopath/data/batching.hpp"
#include "echopath/models/classifier.hpp"
#include "echopath/training/classifier_options.hpp"
#include "echopath/training/recipe.hpp"
#include "training/classifier_data.hpp"
#include "training/early_stopping.hpp"

namespace echopath::training {

/// Classes of clips, or structures of their pixels (chambers, from label maps). Cross-entropy, for
/// structures with the Dice loss; selected on validation videos, whose clips are not varied.
class ClassifierRecipe : public Recipe {
 public:
  ClassifierRecipe(const ClassifierOptions& options, at::Device device);

  std::vector<NamedModule> modules(int phase) override;
  Batch load(const MicroBatch& batch) const override;
  at::Tensor loss(int phase, const Batch& batch, Figures& figures) override;
  /// classification: val_loss, val_accuracy, val_balanced_accuracy, val_macro_f1, val_auc of the
  /// middle clip of each video. segmentation: val_loss, val_dice and val_dice_<structure>, means
  /// over frames spread over each video. Behind the figure to select by, where that is another than
  /// the loss: 1 − AUC, 1 − accuracy, or 1 − Dice.
  Figures validate() override;
  bool keeps_best() const override { return true; }
  bool finished() const override { return stopping_.finished(); }
  std::map<std::string, double> state() const override { return stopping_.state(); }
  void load_state(const std::map<std::string, double>& state) override {
    stopping_.load_state(state);
  }
  std::int64_t training_items() const override {
    return static_cast<std::int64_t>(data_.train().size());
  }
  void export_model(const std::filesystem::path& model_directory, std::int64_t steps) override;

  const models::Classifier& classifier() const { return classifier_; }

 private:
  /// One clip as the network is given it, varied by what is drawn.
  io::TensorMap sample(const ClassifierData::Item& item, const Augmentation& drawn) const;
  /// The clip of a training item; where videos that cannot be read are passed over, of the next one
  /// that can.
  io::TensorMap training_sample(std::int64_t index, const Augmentation& drawn,
                                std::string& name) const;
  at::Tensor loss_of(const at::Tensor& logs, const at::Tensor& labels) const;
  std::pair<at::Tensor, at::Tensor> answers(const io::TensorMap& tensors) const;
  Figures validate_classes();
  Figures validate_structures();
  Figures select(Figures figures, const std::string& by);

  ClassifierOptions options_;
  at::Device device_;
  ClassifierData data_;
  data::BatchOrder order_;
  models::Classifier classifier_;
  at::Tensor weights_;  ///< of the classes, [K]
  EarlyStopping stopping_;
};

}  // namespace echopath::training
