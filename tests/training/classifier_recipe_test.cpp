#include "training/classifier_recipe.hpp"

#include <gmock/gmock.h>

#include <cmath>

#include "echopath/core/errors.hpp"
#include "echopath/io/safetensors.hpp"
#include "echopath/models/model_directory.hpp"
#include "echopath/training/checkpoint.hpp"
#include "echopath/training/train.hpp"
#include "training/loss_of.hpp"
#include "training/made_videos.hpp"
#include "training/validate.hpp"

namespace echopath::training {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class ClassifierRecipeTest : public MadeVideos {
 protected:
  /// Seven ASD and three Non-ASD to train on (and one PAH), one of each to select on.
  void write_real() {
    int index = 0;
    for (int i = 0; i < 7; ++i) add("real", "ASD", "TRAIN", noise(index++));
    for (int i = 0; i < 3; ++i) add("real", "Non-ASD", "TRAIN", noise(index++));
    add("real", "PAH", "TRAIN", noise(index++));
    add("real", "ASD", "VAL", noise(index++));
    add("real", "Non-ASD", "VAL", noise(index++));
    list("real");
  }
  /// A sample directory: everything is TRAIN.
  void write_synthetic(int of_each) {
    for (int i = 0; i < of_each; ++i) {
      add("synthetic", "ASD", "TRAIN", noise(100 + 2 * i));
      add("synthetic", "Non-ASD", "TRAIN", noise(101 + 2 * i));
    }
    list("synthetic");
  }

  std::vector<std::string> with_data(std::vector<std::string> overrides) const {
    overrides.insert(overrides.begin(), "data.dataset=" + (folder_ / "real").string());
    return overrides;
  }
  ClassifierOptions options(const std::vector<std::string>& overrides = {}) const {
    auto options = toy_options<ClassifierOptions>("classifier", with_data(overrides));
    validate(options);
    return options;
  }
  std::vector<std::int64_t> counts(const std::vector<std::string>& overrides) const {
    return ClassifierData(options(overrides)).train_counts();
  }
  std::string refusal(const std::vector<std::string>& overrides) const {
    try {
      ClassifierRecipe(options(overrides), at::kCPU);
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  }
  std::vector<std::string> with_extra(const std::string& ratio) const {
    return {"data.extra_datasets=[\"" + (folder_ / "synthetic").string() + "\"]",
            "data.extra_ratios=[" + ratio + "]"};
  }

  TrainRequest request(const std::string& run, const std::vector<std::string>& overrides = {}) {
    TrainRequest request;
    request.network = "classifier";
    request.config = fs::path(ECHOPATH_SOURCE_DIR) / "tests/fixtures/toy/classifier.json";
    request.overrides = with_data(overrides);
    request.overrides.push_back("output.model_directory=" + (folder_ / "model").string());
    request.out = folder_ / run;
    request.device = "cpu";
    return request;
  }
};

TEST_F(ClassifierRecipeTest, VideosOfOtherClassesAreLeftOut) {
  write_real();
  EXPECT_THAT(counts({}), ElementsAre(7, 3));
  EXPECT_THAT(counts({R"(data.classes=["Non-ASD", "ASD"])"}), ElementsAre(3, 7));
  EXPECT_THAT(
      refusal({R"(data.classes=["ASD", "Non-PAH"])"}),
      HasSubstr("has no video of class 'Non-PAH' in split TRAIN; it has ASD, Non-ASD, PAH"));
}

TEST_F(ClassifierRecipeTest, ExtraVideosComeAtTheirRatioForEachClass) {
  write_real();
  write_synthetic(4);
  EXPECT_THAT(counts(with_extra("0")), ElementsAre(7, 3));
  EXPECT_THAT(counts(with_extra("0.5")), ElementsAre(7 + 4, 3 + 2));
  const ClassifierData data(options(with_extra("0.3")));
  EXPECT_THAT(data.train_counts(), ElementsAre(7 + 2, 3 + 1));
  for (const auto& item : data.val()) EXPECT_EQ(item.source, 0U) << "extra data is not judged on";
  EXPECT_THAT(refusal(with_extra("1")),
              HasSubstr("has 4 TRAIN videos of class 'ASD', but its ratio asks for 7"));
  EXPECT_THAT(refusal({"data.extra_ratios=[1]"}),
              HasSubstr("data.extra_ratios has 1 entry, but data.extra_datasets lists 0"));
}

TEST_F(ClassifierRecipeTest, SyntheticDataIsSelectedOnRealOrOnAHeldOutPart) {
  write_real();
  write_synthetic(8);
  const std::string synthetic = "data.dataset=" + (folder_ / "synthetic").string();
  EXPECT_THAT(refusal({synthetic}), HasSubstr("in split VAL; name another with "
                                              "data.validation_dataset, or hold out"));
  const ClassifierData real(
      options({synthetic, "data.validation_dataset=" + (folder_ / "real").string()}));
  EXPECT_THAT(real.train_counts(), ElementsAre(8, 8));
  ASSERT_EQ(real.val().size(), 2U);
  EXPECT_EQ(real.val().front().study.patient_id, "real11");
  const ClassifierData held_out(options({synthetic, "data.validation_fraction=0.25"}));
  EXPECT_THAT(held_out.train_counts(), ElementsAre(6, 6));
  EXPECT_EQ(held_out.val().size(), 4U);
  EXPECT_THAT(refusal({"data.validation_fraction=0.25"}), HasSubstr("has a VAL split of its own"));
}

TEST_F(ClassifierRecipeTest, ABatchDependsOnStepAndPositionAlone) {
  write_real();
  ClassifierRecipe recipe(options(), at::kCPU);
  const Batch whole = recipe.load({3, {0, 1, 2, 3}});
  const Batch first = recipe.load({3, {0, 1}}), second = recipe.load({3, {2, 3}});
  for (const char* name : {"clips", "labels"}) {
    EXPECT_TRUE(at::equal(whole.tensors.at(name),
                          at::cat({first.tensors.at(name), second.tensors.at(name)})));
  }
  EXPECT_EQ(whole.tensors.at("clips").sizes(), (std::vector<std::int64_t>{4, 3, 32, 32}));
  EXPECT_EQ(whole.items.size(), 4U);
  ClassifierRecipe again(options(), at::kCPU);
  EXPECT_TRUE(
      at::equal(again.load({3, {0, 1, 2, 3}}).tensors.at("clips"), whole.tensors.at("clips")));
  EXPECT_FALSE(at::equal(recipe.load({4, {0}}).tensors.at("clips"), whole.tensors.at("clips")[0]));
}

TEST_F(ClassifierRecipeTest, WithoutAugmentationClipsAreThePixelsOfTheVideo) {
  write_real();
  ClassifierRecipe recipe(
      options({"augmentation.shift=0", "augmentation.rotation=0", "augmentation.brightness=0",
               "augmentation.contrast=0", "augmentation.temporal_start=false"}),
      at::kCPU);
  const Batch batch = recipe.load({0, {0}});
  const int index = std::stoi(batch.items.front().substr(6));
  // Three of four frames: starts 0 and 1, the middle is 1.
  const at::Tensor expected = noise(index).clamp(0, 255).floor().slice(0, 1, 4);
  EXPECT_TRUE(at::equal(batch.tensors.at("clips")[0], expected));
  EXPECT_EQ(batch.tensors.at("labels")[0].item<std::int64_t>(), index < 7 ? 0 : 1);
}

TEST_F(ClassifierRecipeTest, LossWeighsClassesAsAsked) {
  write_real();
  const auto loss_with = [&](const std::vector<std::string>& overrides, at::Tensor& labels) {
    ClassifierRecipe recipe(options(overrides), at::kCPU);
    silence(recipe);  // both classes get one half
    const Batch batch = recipe.load({0, {0, 1, 2, 3}});
    labels = batch.tensors.at("labels");
    Figures figures;
    return recipe.loss(0, batch, figures).item<double>() / std::log(2.0);
  };
  at::Tensor labels;
  EXPECT_NEAR(loss_with({}, labels), 1.0, 1e-5);
  const double ones = labels.to(at::kDouble).mean().item<double>();
  ASSERT_GT(ones, 0.0);
  EXPECT_NEAR(loss_with({"loss.class_weights=balanced"}, labels),
              ones * 10.0 / 6.0 + (1.0 - ones) * 10.0 / 14.0, 1e-5);
  EXPECT_NEAR(loss_with({"loss.class_weights=given", "loss.class_weight_list=[0.25, 4]"}, labels),
              ones * 4.0 + (1.0 - ones) * 0.25, 1e-5);
  EXPECT_THAT(refusal({"loss.class_weights=given"}),
              HasSubstr("loss.class_weight_list has 0 entries, but there are 2 classes"));
}

TEST_F(ClassifierRecipeTest, BalancedDrawsTakeTurnsBetweenTheClasses) {
  write_real();
  ClassifierRecipe recipe(options({"data.balance_classes=true"}), at::kCPU);
  for (std::int64_t step = 0; step < 3; ++step) {
    EXPECT_EQ(recipe.load({step, {0, 1, 2, 3}}).tensors.at("labels").sum().item<int>(), 2);
  }
}

TEST_F(ClassifierRecipeTest, SelectionPutsItsFigureFirstAndPatienceCountsIt) {
  write_real();
  torch::NoGradGuard no_grad;
  const auto first = [&](const std::string& by) {
    ClassifierRecipe recipe(options({"selection=" + by, "patience=2"}), at::kCPU);
    recipe.modules(0).front().module->eval();
    const Figures figures = recipe.validate();
    EXPECT_FALSE(recipe.finished());
    recipe.validate();
    EXPECT_FALSE(recipe.finished()) << "one validation without gain";
    recipe.validate();
    EXPECT_TRUE(recipe.finished());
    EXPECT_EQ(recipe.state().at("validations_without_gain"), 2.0);
    return figures;
  };
  EXPECT_EQ(first("loss").front().first, "val_loss");
  const Figures auc = first("auc");
  EXPECT_EQ(auc.front().first, "one_minus_val_auc");
  EXPECT_EQ(auc.front().second, 1.0 - auc.back().second);
  EXPECT_EQ(auc.back().first, "val_auc");
  EXPECT_EQ(first("accuracy").front().first, "one_minus_val_accuracy");
}

TEST_F(ClassifierRecipeTest, TrainsResumesToTheBitAndWritesAClassifierOfItsName) {
  write_real();
  const auto weights = [&](const std::string& run) {
    return load_newest_checkpoint(folder_ / run)->weights;
  };
  // Batch normalisation looks at a micro-batch, and a cosine at the number of steps.
  const std::vector<std::string> common = {"training.micro_batch_size=2",
                                           "training.learning_rate_schedule=constant"};
  std::vector<std::string> half = common;
  half.emplace_back("training.steps=2");
  run_training(request("whole", common));
  run_training(request("parts", half));
  TrainRequest rest = request("parts", common);
  rest.resume = true;
  run_training(rest);
  const io::TensorMap expected = weights("whole"), resumed = weights("parts");
  ASSERT_EQ(expected.size(), resumed.size());
  for (const auto& [name, tensor] : expected)
    EXPECT_TRUE(at::equal(tensor, resumed.at(name))) << name;

  run_training(request("named", {"output.component=classifier_asd"}));
  const models::ModelDirectory model = models::ModelDirectory::open(folder_ / "model");
  EXPECT_THAT(model.classifiers(), ElementsAre("classifier", "classifier_asd"));
  const models::Classifier classifier = model.load_classifier("classifier_asd", at::kCPU);
  EXPECT_THAT(classifier.config().classes, ElementsAre("ASD", "Non-ASD"));
  EXPECT_EQ(classifier.config().clip.frames, 3);
  EXPECT_EQ(model.info().trained_on.at("classifier_asd").at("videos"), 10);
}

TEST_F(ClassifierRecipeTest, StartsFromAnotherClassifierWithANewHeadWhereAsked) {
  write_real();
  run_training(request("two"));
  add("real", "PAH", "VAL", noise(50));
  list("real");
  const std::vector<std::string> three = {R"(data.classes=["ASD", "Non-ASD", "PAH"])",
                                          "output.component=three", "init.component=classifier",
                                          "training.steps=1", "training.learning_rate=0"};
  TrainRequest next = request("three", three);
  next.init_from = folder_ / "model";
  try {
    run_training(next);
    ADD_FAILURE() << "a head of two classes was taken for three";
  } catch (const DataError& error) {
    EXPECT_THAT(error.what(), HasSubstr("fc."));
  }
  next.overrides.emplace_back("init.head=new");
  next.out = folder_ / "three_new";
  run_training(next);
  const auto before =
      io::load_safetensors(folder_ / "model/classifier/diffusion_pytorch_model.safetensors");
  const auto after =
      io::load_safetensors(folder_ / "model/three/diffusion_pytorch_model.safetensors");
  EXPECT_TRUE(at::equal(before.at("layer1.0.conv1.0.weight"), after.at("layer1.0.conv1.0.weight")));
  EXPECT_EQ(after.at("fc.weight").size(0), 3);
}

TEST_F(ClassifierRecipeTest, UnreadableVideosStopItOrArePassedOver) {
  write_real();
  write_file(folder_ / "real/Videos/video_3.avi", "no video at all");
  ClassifierRecipe strict(options({"training.batch_size=10"}), at::kCPU);
  const MicroBatch all{0, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9}};
  EXPECT_THROW(strict.load(all), DataError);
  ClassifierRecipe lenient(options({"training.batch_size=10", "data.skip_unreadable=true"}),
                           at::kCPU);
  const Batch batch = lenient.load(all);
  EXPECT_EQ(std::count(batch.items.begin(), batch.items.end(), "video_3.avi"), 0);
  EXPECT_EQ(std::count(batch.items.begin(), batch.items.end(), "video_4.avi"), 2);
}

TEST_F(ClassifierRecipeTest, OptionsThatContradictEachOtherAreRefused) {
  write_real();
  EXPECT_THAT(refusal({"architecture=unet"}), HasSubstr("task is classification"));
  EXPECT_THAT(refusal({"data.classes=[]"}), HasSubstr("data.classes has 0 entries"));
  EXPECT_THAT(refusal({"output.component=vae"}), HasSubstr("output.component is 'vae'"));
  EXPECT_THAT(refusal({"init.component=lidm"}), HasSubstr("init.component is 'lidm'"));
  EXPECT_THAT(refusal({"clip.sample_size=16", "training.batch_size=1"}),
              HasSubstr("batch normalisation needs more"));
  EXPECT_THAT(refusal({"clip.sample_size=48"}),
              HasSubstr("data.dataset: 'video_0.avi' has frames 32 wide and 32 high, but "
                        "clip.sample_size is 48"));
}

class SegmentationRecipeTest : public ClassifierRecipeTest {
 protected:
  /// Bright squares on a dark ground, whose label is 1; the masks say so.
  void write_squares() {
    for (int i = 0; i < 5; ++i) {
      at::Tensor grey = noise(i) * 0.1 + 30.0, map = at::zeros({4, 32, 32});
      grey.slice(1, 4 + i, 16 + i).slice(2, 6, 20).add_(150.0);
      map.slice(1, 4 + i, 16 + i).slice(2, 6, 20).fill_(1.0);
      add("real", "any", i < 3 ? "TRAIN" : "VAL", grey);
      write_pixels(folder_ / "real/Masks" / ("video_" + std::to_string(i) + ".avi"), map);
    }
    list("real");
  }
  static std::vector<std::string> unet(std::vector<std::string> more = {}) {
    more.insert(more.begin(),
                {"task=segmentation", "architecture=unet", "model.block_out_channels=[4, 8]",
                 "model.layers_per_block=1", "model.norm_num_groups=2", "clip.frames=1",
                 R"(data.classes=["background", "square"])"});
    return more;
  }
};

double figure(const Figures& figures, const std::string& name) {
  for (const auto& [key, value] : figures) {
    if (key == name) return value;
  }
  return std::nan("");
}

// The toy config's "model" has keys of a ResNet, so these options come as overrides alone.
TEST_F(SegmentationRecipeTest, LearnsSquaresFromTheirMasks) {
  write_squares();
  ClassifierOptions options;
  std::vector<std::string> overrides =
      unet({"clip.sample_size=32", "clip.mean=[0.2]", "clip.std=[0.2]", "model.in_channels=1",
            "training.batch_size=4", "augmentation.rotation=20", "augmentation.shift=3"});
  overrides.push_back("data.dataset=" + (folder_ / "real").string());
  config::apply_overrides(overrides, config::visit_of(options));
  validate(options);
  torch::manual_seed(1);
  ClassifierRecipe recipe(options, at::kCPU);
  const Batch batch = recipe.load({0, {0, 1}});
  const at::Tensor labels = batch.tensors.at("labels"), clips = batch.tensors.at("clips");
  ASSERT_EQ(labels.sizes(), (std::vector<std::int64_t>{2, 1, 32, 32}));
  EXPECT_GT(clips.index({labels == 1}).mean().item<double>(),
            clips.index({labels == 0}).mean().item<double>() + 100.0)
      << "frames and maps are not moved alike";
  const auto network = recipe.modules(0).front().module;
  torch::optim::Adam adam(network->parameters(), torch::optim::AdamOptions(0.02));
  for (std::int64_t step = 0; step < 40; ++step) {
    adam.zero_grad();
    Figures figures;
    loss_of(recipe, 0, {step, {0, 1, 2, 3}}, figures).backward();
    adam.step();
  }
  torch::NoGradGuard no_grad;
  const Figures figures = recipe.validate();
  EXPECT_EQ(figures.front().first, "val_loss");
  EXPECT_GT(figure(figures, "val_dice_square"), 0.95);
  EXPECT_EQ(figure(figures, "val_dice"), figure(figures, "val_dice_square"));
  recipe.export_model(folder_ / "model", 7);
  const auto loaded =
      models::ModelDirectory::open(folder_ / "model").load_classifier("classifier", at::kCPU);
  EXPECT_EQ(loaded.config().task, "segmentation");
  EXPECT_THAT(loaded.config().classes, ElementsAre("background", "square"));
}

TEST_F(SegmentationRecipeTest, MissingMasksAndUnknownLabelsAreNamed) {
  write_squares();
  const auto refusal_with = [&](const std::string& classes) {
    ClassifierOptions options;
    std::vector<std::string> overrides = unet({"clip.sample_size=32", "data.classes=" + classes});
    overrides.push_back("data.dataset=" + (folder_ / "real").string());
    config::apply_overrides(overrides, config::visit_of(options));
    try {
      ClassifierRecipe(options, at::kCPU);
    } catch (const DataError& error) {
      return std::string(error.what());
    }
    return std::string("no error");
  };
  EXPECT_EQ(refusal_with(R"(["background", "square"])"), "no error");
  write_pixels(folder_ / "real/Masks/video_0.avi", at::full({4, 32, 32}, 2.0));
  EXPECT_THAT(refusal_with(R"(["background", "square"])"),
              HasSubstr("has the label 2, but there are names for 0 to 1"));
  fs::remove(folder_ / "real/Masks/video_2.avi");
  EXPECT_THAT(refusal_with(R"(["background", "square", "more"])"), HasSubstr("video_2.avi"));
}

}  // namespace
}  // namespace echopath::training
