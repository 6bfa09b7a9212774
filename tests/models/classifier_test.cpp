#include "echopath/models/classifier.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "echopath/models/convert.hpp"
#include "echopath/models/model_directory.hpp"
#include "echopath/models/unet_2d.hpp"
#include "echopath/models/weights.hpp"

namespace echopath::models {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

ClassifierConfig narrow(const std::string& architecture) {
  ClassifierConfig config;
  config.architecture = architecture;
  config.classes = {"A", "B", "C"};
  config.clip.sample_size = 32;
  config.clip.frames = 4;
  config.clip.mean = {0.4};
  config.clip.deviation = {0.2};
  config.video = {1, 4, {1, 1, 1, 1}};
  config.image = {1, 4, {1, 1, 1, 1}, "basic"};
  config.unet.in_channels = 1;
  config.unet.block_out_channels = {4, 8};
  config.unet.layers_per_block = 1;
  config.unet.norm_num_groups = 2;
  if (architecture == "unet") config.task = "segmentation";
  return config;
}

at::Tensor some_clips() {
  return at::rand({2, 4, 32, 32}) * 255.0;
}

ClipFormat format(const std::string& sampling, std::int64_t frames) {
  ClipFormat clip;
  clip.frames = frames;
  clip.fps = 16;
  clip.sampling = sampling;
  return clip;
}

// Ten frames at 32 a second are 0, 2, 4, 6, 8 at 16 a second.
TEST(ClipFormatTest, WindowsAreNeighboursOfTheResampledVideo) {
  const ClipFormat clip = format("window", 3);
  EXPECT_THAT(clip.frame_indices(10, 32, 0.0), ElementsAre(0, 2, 4));
  EXPECT_THAT(clip.frame_indices(10, 32), ElementsAre(2, 4, 6));
  EXPECT_THAT(clip.frame_indices(10, 32, 0.999), ElementsAre(4, 6, 8));
  EXPECT_THAT(format("window", 7).frame_indices(10, 32, 0.7), ElementsAre(0, 2, 4, 6, 8, 8, 8));
}

// numpy.linspace(0, 4, n).astype(int)
TEST(ClipFormatTest, SpreadFramesAreThoseOfNumpysLinspace) {
  EXPECT_THAT(format("spread", 3).frame_indices(10, 32, 0.9), ElementsAre(0, 4, 8));
  EXPECT_THAT(format("spread", 4).frame_indices(10, 32), ElementsAre(0, 2, 4, 8));
  EXPECT_THAT(format("spread", 7).frame_indices(10, 32), ElementsAre(0, 0, 2, 4, 4, 6, 8));
  EXPECT_THAT(format("spread", 1).frame_indices(10, 32), ElementsAre(0));
}

TEST(ClassifierTest, GreyLevelsAreScaledChannelByChannel) {
  ClassifierConfig config = narrow("resnet50");
  config.image.in_channels = 3;
  config.clip.mean = {0.485, 0.456, 0.406};
  config.clip.deviation = {0.229, 0.224, 0.225};
  const at::Tensor clips = at::tensor({0, 255}, at::kByte).view({1, 2, 1, 1});
  const at::Tensor scaled = Classifier(config).normalise(clips);
  ASSERT_EQ(scaled.sizes(), (std::vector<std::int64_t>{2, 3, 1, 1}));
  EXPECT_NEAR(scaled[0][1].item<double>(), -0.456 / 0.224, 1e-6);
  EXPECT_NEAR(scaled[1][2].item<double>(), (1.0 - 0.406) / 0.225, 1e-6);
  const at::Tensor video = Classifier(narrow("r3d_18")).normalise(clips);
  ASSERT_EQ(video.sizes(), (std::vector<std::int64_t>{1, 1, 2, 1, 1}));
  EXPECT_NEAR(video[0][0][1].item<double>(), 3.0, 1e-6);
}

TEST(ClassifierTest, ProbabilitiesOfSingleFramesAreAveraged) {
  torch::manual_seed(1);
  const torch::NoGradGuard no_grad;
  const Classifier classifier(narrow("resnet50"));
  classifier.module()->eval();
  const at::Tensor clips = some_clips();
  const at::Tensor frames = clips.flatten(0, 1).unsqueeze(1);
  const at::Tensor each = at::softmax(classifier.forward((frames / 255.0 - 0.4) / 0.2), 1);
  const at::Tensor expected = each.view({2, 4, 3}).mean(1);
  EXPECT_TRUE(at::allclose(classifier.log_probabilities(clips).exp(), expected, 1e-5, 1e-6));
  EXPECT_EQ(classifier.features(clips).sizes(), (std::vector<std::int64_t>{2, 32}));
}

TEST(ClassifierTest, FeatureMapsOfAResNetHalveAtEachStageAndEndInItsFeatures) {
  torch::manual_seed(1);
  ResNet network(ResNetOptions{{1, 4, {1, 2, 1, 1}, "basic"}, 2});
  network->eval();
  const at::Tensor x = at::rand({2, 1, 64, 64});
  const std::vector<at::Tensor> maps = network->feature_maps(x);
  std::vector<std::int64_t> sides, channels;
  for (const at::Tensor& map : maps) {
    sides.push_back(map.size(2));
    channels.push_back(map.size(1));
  }
  EXPECT_THAT(sides, ElementsAre(32, 16, 8, 4, 2));
  EXPECT_THAT(channels, ElementsAre(4, 4, 8, 16, 32));
  EXPECT_TRUE(at::equal(maps.back().mean({2, 3}), network->features(x)));
}

TEST(ClassifierTest, DropoutActsInTrainingAlone) {
  torch::manual_seed(1);
  ClassifierConfig config = narrow("r3d_18");
  config.dropout = 1.0;
  const Classifier classifier(config);
  const at::Tensor clips = some_clips();
  const at::Tensor blind = classifier.log_probabilities(clips);
  EXPECT_TRUE(at::equal(blind[0], blind[1])) << "all features dropped: the bias answers";
  classifier.module()->eval();
  const at::Tensor seeing = classifier.log_probabilities(clips);
  EXPECT_FALSE(at::equal(seeing[0], seeing[1]));
}

// UNet2DModel is tested against diffusers; without attention and with its time embedding's
// projections at zero it computes the same.
TEST(SegmentationUNetTest, IsUNet2DModelWithoutTimeAndAttention) {
  torch::manual_seed(2);
  const torch::NoGradGuard no_grad;
  UNet2DConfig diffusers;
  diffusers.in_channels = 1;
  diffusers.out_channels = 3;
  diffusers.block_out_channels = {4, 8, 8};
  diffusers.down_block_types = {"DownBlock2D", "DownBlock2D", "DownBlock2D"};
  diffusers.up_block_types = {"UpBlock2D", "UpBlock2D", "UpBlock2D"};
  diffusers.layers_per_block = 2;
  diffusers.norm_num_groups = 2;
  diffusers.add_attention = false;
  UNet2DModel reference(diffusers);
  io::TensorMap weights;
  for (auto& item : reference->named_parameters()) {
    if (item.key().find("time_emb") != std::string::npos) {
      item.value().zero_();
    } else {
      weights[item.key()] = item.value();
    }
  }
  SegmentationUNetOptions options;
  options.in_channels = 1;
  options.num_classes = 3;
  options.block_out_channels = {4, 8, 8};
  options.norm_num_groups = 2;
  SegmentationUNet unet(options);
  load_weights(*unet, weights, "UNet2DModel");  // throws unless all names and shapes agree
  const at::Tensor x = at::rand({2, 1, 16, 12});
  EXPECT_TRUE(at::allclose(unet->forward(x), reference->forward(x, at::zeros({2})), 1e-5, 1e-6));
  EXPECT_EQ(unet->forward(at::rand({1, 1, 15, 13})).sizes(),
            (std::vector<std::int64_t>{1, 3, 15, 13}));
}

TEST(SegmentationUNetTest, PixelsHaveProbabilitiesThatAddUpToOne) {
  const torch::NoGradGuard no_grad;
  const Classifier classifier(narrow("unet"));
  const at::Tensor logs = classifier.log_probabilities(some_clips());
  ASSERT_EQ(logs.sizes(), (std::vector<std::int64_t>{2, 4, 3, 32, 32}));
  EXPECT_TRUE(at::allclose(logs.exp().sum(2), at::ones({2, 4, 32, 32})));
}

template <class Action>
std::string error_of(const Action& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(ClassifierTest, OptionsThatContradictEachOtherAreRefused) {
  const auto error_with = [](const std::string& architecture, const auto& change) {
    ClassifierConfig config = narrow(architecture);
    change(config);
    return error_of([&] { Classifier{config}; });
  };
  EXPECT_THAT(error_with("unet", [](auto& c) { c.task = "classification"; }),
              HasSubstr("task is classification, but architecture is unet"));
  EXPECT_THAT(error_with("r3d_18", [](auto& c) { c.classes = {"A"}; }),
              HasSubstr("classes has 1 entry"));
  EXPECT_THAT(error_with("r3d_18",
                         [](auto& c) {
                           c.classes = {"A", "A"};
                         }),
              HasSubstr("classes has an entry twice"));
  EXPECT_THAT(error_with("resnet50",
                         [](auto& c) {
                           c.image.depths = {1, 1};
                         }),
              HasSubstr("model.depths has 2 entries"));
  EXPECT_THAT(error_with("r3d_18",
                         [](auto& c) {
                           c.clip.mean = {0.1, 0.2};
                         }),
              HasSubstr("clip.mean has 2 entries, but model.in_channels is 1"));
  EXPECT_THAT(error_with("unet", [](auto& c) { c.unet.norm_num_groups = 3; }),
              HasSubstr("norm_num_groups = 3"));
}

class ClassifierDirectory : public ::testing::Test {
 protected:
  ClassifierDirectory() {
    fs::remove_all(path_);
    fs::create_directories(path_);
  }
  ~ClassifierDirectory() override { fs::remove_all(path_); }

  void save(const std::string& name, const Classifier& classifier) const {
    ClassifierConfig config = classifier.config();
    save_component(path_, {name, "Classifier", config::dump(config::visit_of(config))},
                   *classifier);
    update_model_info(path_, [](ModelInfo&) {});
  }

  fs::path path_ = fs::path(::testing::TempDir()) / ("classifiers_" + std::to_string(::getpid()));
};

TEST_F(ClassifierDirectory, HoldsSeveralThatComeBackAsTheyWereSaved) {
  torch::manual_seed(3);
  const torch::NoGradGuard no_grad;
  const at::Tensor clips = some_clips();
  for (const char* architecture : {"r3d_18", "r2plus1d_18", "resnet50", "unet"}) {
    const std::string name = std::string("my_") + architecture;
    const Classifier classifier(narrow(architecture));
    save(name, classifier);
    const Classifier loaded = ModelDirectory::open(path_).load_classifier(name, at::kCPU);
    classifier.module()->eval();
    EXPECT_FALSE(loaded.module()->is_training());
    EXPECT_EQ(loaded.config().classes, classifier.config().classes);
    EXPECT_EQ(loaded.config().clip.mean, std::vector<double>{0.4});
    EXPECT_TRUE(at::equal(loaded.log_probabilities(clips), classifier.log_probabilities(clips)))
        << architecture;
  }
  const ModelDirectory directory = ModelDirectory::open(path_);
  EXPECT_THAT(directory.classifiers(),
              ElementsAre("my_r2plus1d_18", "my_r3d_18", "my_resnet50", "my_unet"));
  EXPECT_EQ(directory.info().hashes.at("my_unet"), directory.component_hash("my_unet"));
}

TEST_F(ClassifierDirectory, ConversionOfAModelDirectoryTakesThemAlong) {
  const torch::NoGradGuard no_grad;
  const Classifier classifier(narrow("unet")), other(narrow("r3d_18"));
  save("segmentation", classifier);
  save("classifier", other);
  const fs::path copy = path_.string() + "_copy";
  fs::remove_all(copy);
  const Conversion conversion({path_.string(), "", false});
  conversion.require_complete();
  conversion.write(copy);
  const ModelDirectory directory = ModelDirectory::open(copy);
  EXPECT_THAT(directory.classifiers(), ElementsAre("classifier", "segmentation"));
  classifier.module()->eval();
  const at::Tensor clips = some_clips();
  EXPECT_TRUE(
      at::equal(directory.load_classifier("segmentation", at::kCPU).log_probabilities(clips),
                classifier.log_probabilities(clips)));
  fs::remove_all(copy);
}

TEST_F(ClassifierDirectory, AbsentOnesAreNamedWithWhatMakesThem) {
  save("classifier", Classifier(narrow("r3d_18")));
  const ModelDirectory directory = ModelDirectory::open(path_);
  EXPECT_TRUE(directory.has("classifier"));
  EXPECT_FALSE(directory.has("classifier_asd"));
  EXPECT_THAT(
      error_of([&] { directory.load_classifier("classifier_asd", at::kCPU); }),
      HasSubstr("has no classifier_asd/diffusion_pytorch_model.safetensors; `echopath train "
                "classifier` makes it"));
}

TEST_F(ClassifierDirectory, ADamagedConfigIsNamed) {
  save("classifier", Classifier(narrow("r3d_18")));
  const fs::path file = path_ / "classifier" / "config.json";
  config::Json json = config::read_json(file.string());
  json["classes"] = {"only"};
  write_file(file, json.dump());
  const ModelDirectory directory = ModelDirectory::open(path_);
  EXPECT_THAT(error_of([&] { directory.load_classifier("classifier", at::kCPU); }),
              HasSubstr("classifier/config.json: classes has 1 entry"));
  json["_class_name"] = "ResNet";
  write_file(file, json.dump());
  EXPECT_THAT(error_of([&] { directory.load_classifier("classifier", at::kCPU); }),
              HasSubstr("_class_name is 'ResNet', not 'Classifier'"));
}

TEST(MayNameClassifier, KeepsOtherNetworksFoldersAndPathsOut) {
  for (const char* name : {"classifier", "classifier_asd", "segmentation", "PAH-2"}) {
    EXPECT_TRUE(may_name_classifier(name)) << name;
  }
  for (const char* name :
       {"", "vae", "r3d_18", "scheduler", "class_embedding", "a/b", "..", "a b"}) {
    EXPECT_FALSE(may_name_classifier(name)) << name;
  }
}

}  // namespace
}  // namespace echopath::models
