// What of a model a run is tied to.
#include "generation/model_hashes.hpp"

#include <gtest/gtest.h>

#include "echopath/io/video.hpp"
#include "sample_support.hpp"

namespace echopath::generation {
namespace {

using testing::message_of;
using testing::TemporaryFolder;
using testing::toy_options;

using Hashes = std::map<std::string, std::string>;
using Parts = std::vector<std::string>;

/// The parts whose hashes differ.
Parts changed(const Hashes& before, const Hashes& after) {
  Parts parts;
  for (const auto& [part, hash] : after) {
    if (before.at(part) != hash) parts.push_back(part);
  }
  return parts;
}

/// A toy model that is changed part by part.
class ModelHashes : public ::testing::Test {
 protected:
  ModelHashes() { testing::write_toy_model(model()); }

  fs::path model() const { return folder_ / "model"; }
  /// Which hashes a change of the model changes.
  template <class Change>
  Parts changed_by(const Change& change) const {
    const Hashes before = model_hashes(models::ModelDirectory::open(model()));
    change();
    return changed(before, model_hashes(models::ModelDirectory::open(model())));
  }
  Parts changed_by_info(const std::function<void(models::ModelInfo&)>& change) const {
    return changed_by([&] { models::update_model_info(model(), change); });
  }

  TemporaryFolder folder_;
};

TEST_F(ModelHashes, CoverEveryPartThatIsThere) {
  const Hashes hashes = model_hashes(models::ModelDirectory::open(model()));
  Parts parts;
  for (const auto& [part, hash] : hashes) parts.push_back(part);
  EXPECT_EQ(parts, (Parts{"class_embedding/lidm", "class_embedding/lvdm", "lidm", "lvdm", "reid",
                          "scheduler", "settings", "vae"}));
}

TEST_F(ModelHashes, FollowWhatTheNetworksHaveInCommon) {
  EXPECT_EQ(changed_by_info([](auto& info) { info.fps = 16.0; }), Parts{"settings"});
  EXPECT_EQ(changed_by_info([](auto& info) { info.latent_scaling_factor = 2.0; }),
            Parts{"settings"});
  EXPECT_EQ(changed_by_info([](auto& info) { info.block_length = 8; }), Parts{"settings"});
  EXPECT_EQ(changed_by_info([](auto& info) { info.context_frames = 1; }), Parts{"settings"});
  EXPECT_EQ(changed_by_info([](auto& info) { info.held_frame = "heart_frame"; }),
            Parts{"settings"});
  EXPECT_EQ(changed_by_info([](auto& info) { info.trained_on["lvdm"] = {{"steps", 5}}; }), Parts{});
}

TEST_F(ModelHashes, FollowTheFilesOfTheParts) {
  const fs::path embedding = model() / "class_embedding/lvdm.safetensors";
  EXPECT_EQ(changed_by([&] {
              io::TensorMap weights = io::load_safetensors(embedding);
              for (auto& [name, tensor] : weights) tensor.add_(1.0);
              io::save_safetensors(embedding, weights);
            }),
            Parts{"class_embedding/lvdm"});
  EXPECT_EQ(changed_by([&] {
              diffusion::NoiseScheduleOptions schedule;
              schedule.prediction_type = "epsilon";
              models::save_schedule(model(), schedule);
            }),
            Parts{"scheduler"});
  for (const char* file : {"lvdm/config.json", "reid/threshold.json"}) {
    EXPECT_EQ(changed_by([&] { write_file(model() / file, read_file(model() / file) + "\n"); }),
              Parts{"settings"})
        << file;
  }
  EXPECT_EQ(changed_by([&] { testing::save_toy_gate(model(), 0.5); }), (Parts{"reid", "settings"}));
}

TEST_F(ModelHashes, TieARunToItsModel) {
  SampleOptions options = toy_options(folder_ / "out");
  options.model = model().string();
  options.blocks = 1;
  const auto model_hash = [&] {
    const auto tags = io::read_video_metadata(run_sampling(options).videos.at(0));
    return config::Json::parse(tags.at("comment")).at("model_hash").get<std::string>();
  };
  const std::string before = model_hash();
  models::update_model_info(model(), [](auto& info) { info.fps = 16.0; });
  options.resume = true;
  EXPECT_THROW(run_sampling(options), UsageError);
  EXPECT_NE(message_of(options).find("(weight_hashes.settings is \""), std::string::npos);
  options.resume = false;
  options.out = (folder_ / "other").string();
  EXPECT_NE(model_hash(), before);
}

// Earlier versions recorded the weights of the four networks.
TEST_F(ModelHashes, RunsOfEarlierVersionsAreNotGoneOnWith) {
  SampleOptions options = toy_options(folder_ / "out");
  options.blocks = 1;
  run_sampling(options);
  const fs::path path = folder_ / "out/config.json";
  config::Json document = config::read_json(path.string());
  for (const char* part :
       {"class_embedding/lidm", "class_embedding/lvdm", "scheduler", kSettingsHash}) {
    document["weight_hashes"].erase(part);
  }
  write_file(path, document.dump());
  options.resume = true;
  EXPECT_THROW(run_sampling(options), UsageError);
  EXPECT_NE(message_of(options).find("a run of an earlier version of echopath"), std::string::npos);
}

}  // namespace
}  // namespace echopath::generation
