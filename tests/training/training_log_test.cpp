#include "training/training_log.hpp"

#include <cmath>

#include "core/temporary_directory.hpp"
#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "echopath/core/text.hpp"
#include "io/event_file.hpp"
#include "training/toy_recipe.hpp"

namespace echopath::training {
namespace {

using testing::Contains;
using testing::ElementsAre;

class TrainingLogTest : public testing::Test {
 protected:
  TrainingLog::Options options(std::optional<std::int64_t> resumed_at = {}) const {
    TrainingLog::Options options;
    options.run_directory = folder_.path();
    options.loop.steps = 5;
    options.loop.batch_size = 8;
    options.loop.log_every = 2;
    options.config = {{"network", "toy"}};
    options.resumed_at = resumed_at;
    return options;
  }

  std::vector<config::Json> rows() const {
    std::vector<config::Json> rows;
    for (const std::string& line : split(read_file(folder_ / "metrics.jsonl"), '\n')) {
      if (!line.empty()) rows.push_back(config::Json::parse(line));
    }
    return rows;
  }

  /// Event files in the order in which TensorBoard reads them.
  std::vector<fs::path> event_files() const {
    std::vector<fs::path> files;
    for (const auto& entry : fs::directory_iterator(folder_.path())) {
      if (entry.path().filename().string().starts_with("events.")) files.push_back(entry.path());
    }
    std::sort(files.begin(), files.end());
    return files;
  }

  static void steps(TrainingLog& log, std::int64_t first, std::int64_t last) {
    for (std::int64_t step = first; step <= last; ++step) {
      log.step(step, {{"loss", 1.0 / static_cast<double>(step)}}, 0.25, {2.0, 0.1});
    }
  }

  TemporaryDirectory folder_;
};

TEST_F(TrainingLogTest, ALineTellsTheStepsLossAndTheMeanTimesSinceTheLastOne) {
  TrainingLog log(options());
  log.step(1, {{"loss", 0.75}, {"grad_norm", 3.0}}, 0.5, {2.0, 0.5});
  log.step(2, {{"loss", 0.5}, {"grad_norm", std::nan("")}}, 0.25, {3.0, 0.25});
  steps(log, 3, 5);
  const std::vector<config::Json> rows = this->rows();
  ASSERT_EQ(rows.size(), 3);  // steps 2, 4 and the last
  const config::Json& row = rows[0];
  EXPECT_EQ(row.begin().key(), "step");
  EXPECT_EQ(row.at("step"), 2);
  EXPECT_EQ(row.at("kind"), "training");
  EXPECT_EQ(row.at("loss"), 0.5);
  EXPECT_TRUE(row.at("grad_norm").is_null());
  EXPECT_EQ(row.at("learning_rate"), 0.25);
  EXPECT_EQ(row.at("step_seconds"), 2.5);
  EXPECT_EQ(row.at("data_wait_seconds"), 0.375);
  EXPECT_EQ(row.at("data_wait_share"), 0.15);
  EXPECT_EQ(row.at("samples_per_second"), 3.2);
  EXPECT_GT(row.at("resident_bytes"), 1e6);
  EXPECT_EQ(rows[2].at("step"), 5);
  EXPECT_EQ(rows[2].at("samples_per_second"), 4.0);
  const std::vector<std::string> tags = io::tags(event_files().at(0));
  EXPECT_EQ(tags.front(), "config@0");
  for (const char* tag : {"training/loss@2", "training/grad_norm@2", "training/learning_rate@2",
                          "resources/samples_per_second@4", "resources/data_wait_share@5"}) {
    EXPECT_THAT(tags, Contains(tag));
  }
}

TEST_F(TrainingLogTest, AResumedRunTakesBackWhatCameAfterItsCheckpoint) {
  {
    TrainingLog log(options());
    steps(log, 1, 4);
    log.validation(3, {{"val_loss", 1.0}});
    log.validation(4, {{"val_loss", 0.5}});
  }
  // A crash cut this line off.
  write_file(folder_ / "metrics.jsonl", read_file(folder_ / "metrics.jsonl") + R"({"step": 1, "k)");
  TrainingLog log(options(3));
  ASSERT_EQ(rows().size(), 2);
  EXPECT_EQ(rows()[0].at("step"), 2);
  EXPECT_EQ(rows()[1].at("val_loss"), 1.0);
  steps(log, 4, 4);
  EXPECT_EQ(rows().back().at("samples_per_second"), 4.0);
  const std::vector<fs::path> files = event_files();
  ASSERT_EQ(files.size(), 2);
  const std::string restart = io::records(files[1]).at(1);
  EXPECT_EQ(io::step_of(restart), 4);
  EXPECT_EQ(io::field(restart, {7}), std::string("\x08\x01")) << "SessionLog.START";
  EXPECT_THAT(io::tags(files[1]), Contains("training/loss@4"));
}

TEST_F(TrainingLogTest, LossesByNoiseLevelAreMeansOfTwentyPartsSinceTheLastTime) {
  TrainingLog log(options());
  log.add_losses_by_level({{0.0, 1.0}, {0.049, 3.0}, {0.999, 2.0}, {0.5, std::nan("")}});
  log.add_losses_by_level({{1.0, 4.0}});
  log.write_losses_by_level(4);
  log.write_losses_by_level(5);
  ASSERT_EQ(rows().size(), 1);
  const config::Json row = rows().front();
  EXPECT_EQ(row.at("kind"), "loss_by_noise_level");
  EXPECT_EQ(row.at("levels").size(), 20);
  EXPECT_DOUBLE_EQ(row.at("levels")[0].get<double>(), 0.05);
  EXPECT_EQ(row.at("losses")[0], 2.0);
  EXPECT_EQ(row.at("losses")[19], 3.0);
  EXPECT_TRUE(row.at("losses")[10].is_null());
  EXPECT_EQ(row.at("items")[0], 2.0);
  EXPECT_THAT(io::tags(event_files().at(0)), ElementsAre("config@0", "loss_by_noise_level@4"));
  const std::string histogram = io::field(io::records(event_files().at(0)).back(), {5, 1, 5});
  const std::string heights = io::field(histogram, {7});
  ASSERT_EQ(heights.size(), 20 * sizeof(double));
  double first = 0.0;
  std::memcpy(&first, heights.data(), sizeof(first));
  EXPECT_EQ(first, 2.0);
}

TEST_F(TrainingLogTest, GoesOnWhereItCannotWrite) {
  fs::create_directory(folder_ / "metrics.jsonl");
  TrainingLog log(options());
  steps(log, 1, 4);
  EXPECT_THAT(io::tags(event_files().at(0)), Contains("training/loss@4"));
}

/// A toy that shows a picture and has a noise level.
class ShownRecipe : public ToyRecipe {
 public:
  std::vector<LossAtLevel> take_losses_by_level() override { return {{0.5, 0.25}}; }
  std::vector<NamedFrames> samples(const fs::path& model_directory) override {
    directory = model_directory;
    if (fails) throw DataError("the sampled latents are not finite");
    EXPECT_FALSE(modules(0).front().module->is_training());
    EXPECT_FALSE(torch::GradMode::is_enabled());
    return {{"picture", {1, 1, 2, 1, 0.0, {0, 255}}}};
  }
  fs::path directory;
  bool fails = false;
};

TEST_F(TrainingLogTest, TheTrainerShowsSamplesAndLossesAtTheirIntervals) {
  TrainerOptions trainer_options;
  trainer_options.loop = options().loop;
  trainer_options.loop.steps = 6;
  trainer_options.loop.sample_every = 3;
  trainer_options.loop.validate_every = 4;
  trainer_options.run_directory = folder_ / "run";
  trainer_options.model_directory = "some/model";
  const auto files_of = [&](const fs::path& run) {
    for (const auto& entry : fs::directory_iterator(run)) {
      if (entry.path().filename().string().starts_with("events.")) return entry.path();
    }
    return fs::path();
  };
  ShownRecipe recipe;
  Trainer(recipe, trainer_options).run();
  EXPECT_EQ(recipe.directory, "some/model");
  std::vector<std::string> shown;
  for (const std::string& tag : io::tags(files_of(folder_ / "run"))) {
    if (!tag.starts_with("training/") && !tag.starts_with("resources/")) shown.push_back(tag);
  }
  EXPECT_THAT(shown,
              ElementsAre("config@0", "samples/picture@3", "loss_by_noise_level@4",
                          "validation/val_error@4", "samples/picture@6", "validation/val_error@6"));
  recipe.fails = true;
  trainer_options.run_directory = folder_ / "failing";
  EXPECT_NO_THROW(Trainer(recipe, trainer_options).run()) << "samples are no reason to stop";
}

TEST_F(TrainingLogTest, StepsAreTimedWithoutARunDirectory) {
  TrainerOptions trainer_options;
  trainer_options.loop = options().loop;
  ToyRecipe recipe;
  const at::Tensor before = recipe.weight();
  Trainer trainer(recipe, trainer_options);
  const StepTime time = trainer.time_steps(3);
  EXPECT_EQ(trainer.step(), 4) << "one is not counted";
  EXPECT_GT(time.seconds, 0.0);
  EXPECT_GT(time.waited, 0.0);
  EXPECT_LT(time.waited, time.seconds);
  EXPECT_FALSE(recipe.weight().equal(before)) << "whole steps are timed";
}

TEST(DeviceBytes, AreZeroOnTheCpu) {
  EXPECT_EQ(device_bytes(at::kCPU), 0.0);
}

}  // namespace
}  // namespace echopath::training
