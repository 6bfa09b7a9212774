#include "echopath/evaluation/privacy_filter.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "core/temporary_directory.hpp"
#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "echopath/core/statistics.hpp"
#include "echopath/evaluation/item_features.hpp"
#include "echopath/evaluation/report.hpp"
#include "echopath/evaluation/video_set.hpp"
#include "echopath/generation/manifest.hpp"
#include "echopath/io/csv.hpp"
#include "echopath/io/video.hpp"
#include "echopath/models/reid_threshold.hpp"
#include "evaluation/made_latents.hpp"
#include "generation/model_hashes.hpp"
#include "generation/sample_directory.hpp"

namespace echopath::evaluation {
namespace {

namespace toy = generation::testing;
using ::testing::HasSubstr;

using testing::MadeLatents;
using testing::write_latents;

at::Tensor drawn(std::uint32_t number, std::int64_t frames) {
  return testing::drawn_latents(number, frames);
}

/// Two frames of noise; another `number`, another noise.
io::Frames noise_video(std::uint32_t number) {
  const at::Tensor noise =
      normal_tensor({2, toy::kToyImageSize, toy::kToyImageSize}, {5, Stream::kDataset, number, 0});
  const at::Tensor grey = (noise * 50 + 128).clamp(0, 255).to(at::kByte).contiguous();
  io::Frames frames;
  frames.count = 2;
  frames.height = frames.width = toy::kToyImageSize;
  frames.fps = 32;
  frames.pixels.assign(grey.const_data_ptr<std::uint8_t>(),
                       grey.const_data_ptr<std::uint8_t>() + grey.numel());
  return frames;
}

std::string stem_of(std::uint32_t video) {
  return "v" + std::to_string(video);
}

class PrivacyFilterTest : public ::testing::Test {
 protected:
  PrivacyFilterTest() {
    for (std::uint32_t i = 0; i < 6; ++i) {
      real_.push_back({"train" + std::to_string(i), "TRAIN", drawn(i, 3)});
    }
    for (std::uint32_t i = 0; i < 24; ++i) {
      real_.push_back({"val" + std::to_string(i), "VAL", drawn(100 + i, 3)});
    }
    for (std::uint32_t i = 0; i < 5; ++i) {
      real_.push_back({"test" + std::to_string(i), "TEST", drawn(200 + i, 3)});
    }
    // Four strangers, and a training frame that was scaled and shifted a little.
    for (std::uint32_t i = 0; i < 4; ++i) {
      synthetic_.push_back({"new" + std::to_string(i), "TRAIN", drawn(300 + i, 1)});
    }
    synthetic_.push_back({"copy", "TRAIN", drawn(2, 3).slice(0, 1, 2) * 0.5 + 0.3});
  }

  FilterOptions options() {
    write_latents(folder_.path() / "real", real_);
    write_latents(folder_.path() / "synthetic", synthetic_);
    FilterOptions options;
    options.real = (folder_.path() / "real").string();
    options.synthetic = (folder_.path() / "synthetic").string();
    options.model = toy::shared_toy_model().string();
    options.out = (folder_.path() / "out").string();
    options.real_frames = 3;
    options.frames = 3;
    return options;
  }
  /// A dataset of noise videos v0.avi, v1.avi, … of these splits, the first with the noise `first`.
  std::string write_videos(const std::string& folder, const std::vector<std::string>& splits,
                           std::uint32_t first) const {
    std::vector<data::Study> studies;
    for (std::uint32_t i = 0; i < splits.size(); ++i) {
      data::Study study;
      study.file_name = stem_of(i) + ".avi";
      study.patient_id = study.file_name;
      study.split = splits[i];
      study.fps = 32;
      study.number_of_frames = 2;
      io::write_video(folder_.path() / folder / "Videos" / study.file_name, noise_video(first + i));
      studies.push_back(study);
    }
    data::write_file_list(folder_.path() / folder / "FileList.csv", studies);
    return (folder_.path() / folder).string();
  }
  /// Makes a folder of videos v0.avi, v1.avi, … one that `echopath sample` wrote.
  generation::RunDocument write_run(const std::string& folder, std::uint32_t videos,
                                    const std::vector<std::string>& also_folders) const {
    std::string lines;
    for (std::uint32_t i = 0; i < videos; ++i) {
      generation::ManifestEntry entry;
      entry.index = i;
      entry.file = "Videos/" + stem_of(i) + ".avi";
      for (const std::string& other : also_folders) entry.also.push_back(other + "/" + stem_of(i));
      entry.class_name = "ASD";
      entry.seed = 70 + i;
      lines += entry.to_json().dump() + "\n";
    }
    write_file(folder_.path() / folder / "manifest.jsonl", lines);
    generation::RunDocument run;
    run.options["steps"] = 2;
    run.weight_hashes[generation::kSettingsHash] = "0";
    write_file(folder_.path() / folder / "config.json", run.text());
    return run;
  }
  io::CsvTable scores() const { return io::read_csv(folder_.path() / "out/privacy_scores.csv"); }
  std::map<std::string, double> similarities() const {
    std::map<std::string, double> values;
    for (const auto& row : scores().rows) values[row[0]] = std::stod(row[2]);
    return values;
  }
  /// Embeddings of all frames of a split, or of its first ones.
  at::Tensor embeddings(const std::string& split, bool first_only, bool by_video) {
    const at::NoGradGuard no_grad;
    models::ReIdNet network =
        models::ModelDirectory::open(toy::shared_toy_model()).load_reid(at::kCPU);
    std::vector<at::Tensor> frames;
    for (const MadeLatents& video : real_) {
      if (video.split != split) continue;
      const at::Tensor stretched = by_video ? models::normalise_jointly(video.mean)
                                            : models::normalise_per_frame(video.mean);
      frames.push_back(first_only ? stretched.slice(0, 0, 1) : stretched);
    }
    return network->embed(at::cat(frames));
  }

  TemporaryDirectory folder_;
  std::vector<MadeLatents> real_;
  std::vector<MadeLatents> synthetic_;
};

std::vector<double> largest(const at::Tensor& a, const at::Tensor& b) {
  const at::Tensor values = models::pearson_similarity(a, b).amax(1).to(at::kDouble).contiguous();
  return {values.data_ptr<double>(), values.data_ptr<double>() + values.numel()};
}

TEST_F(PrivacyFilterTest, ACopyOfATrainingFrameIsRefusedAndNamed) {
  const FilterSummary done = run_filter(options());
  EXPECT_EQ(done.judged, 5);
  const io::CsvTable table = scores();
  const auto column = [&](const char* name) {
    return static_cast<std::size_t>(table.require_column(name));
  };
  ASSERT_EQ(table.rows.size(), 5U);
  const auto& copy = table.rows[4];
  EXPECT_EQ(copy[column("FileName")], "copy.avi");
  EXPECT_NEAR(std::stod(copy[column("Similarity")]), 1.0, 1e-5);
  EXPECT_EQ(copy[column("NearestReal")], "train2.avi");
  EXPECT_EQ(copy[column("NearestFrame")], "1");
  EXPECT_EQ(copy[column("Kept")], "0");
  std::set<std::string> kept;
  for (const data::Study& study : data::read_file_list(folder_.path() / "out/kept.csv")) {
    kept.insert(study.file_name);
  }
  EXPECT_EQ(static_cast<std::int64_t>(kept.size()), done.kept);
  EXPECT_FALSE(kept.contains("copy.avi"));
  for (const auto& row : table.rows) {
    EXPECT_EQ(kept.contains(row[0]), std::stod(row[2]) < done.tau) << row[0];
  }
}

TEST_F(PrivacyFilterTest, TauIsThePercentileOfHeldOutFramesAgainstTrainingFrames) {
  const FilterSummary done = run_filter(options());
  EXPECT_EQ(done.tau_source, "real");
  EXPECT_EQ(done.tau_over, "held-out frames");
  const std::vector<double> values =
      largest(embeddings("VAL", false, false), embeddings("TRAIN", false, false));
  EXPECT_EQ(done.compared, 72);
  EXPECT_NEAR(done.tau, percentile(values, 95), 1e-5);
  // 5 % of 72 are 3.6: four of them lie above the interpolated percentile.
  EXPECT_NEAR(done.compared_rate, 4.0 / 72.0, 1e-9);
}

TEST_F(PrivacyFilterTest, TauOfVideosIsTakenOverHeldOutVideosJudgedAlike) {
  for (MadeLatents& video : synthetic_) video.mean = video.mean.repeat({3, 1, 1, 1});
  const FilterSummary done = run_filter(options());
  EXPECT_EQ(done.tau_over, "held-out videos");
  EXPECT_EQ(done.compared, 24);
  const std::vector<double> frames =
      largest(embeddings("VAL", false, false), embeddings("TRAIN", false, false));
  std::vector<double> videos;
  for (std::size_t i = 0; i < 24; ++i) {
    videos.push_back(std::max({frames[3 * i], frames[3 * i + 1], frames[3 * i + 2]}));
  }
  EXPECT_NEAR(done.tau, percentile(videos, 95), 1e-5);
}

TEST_F(PrivacyFilterTest, AddingAFileChangesNoVerdict) {
  run_filter(options());
  const auto before = similarities();
  synthetic_.push_back({"extreme", "TRAIN", drawn(400, 1) * 50.0});
  run_filter(options());
  const auto after = similarities();
  for (const auto& [name, value] : before) EXPECT_DOUBLE_EQ(after.at(name), value) << name;
}

TEST_F(PrivacyFilterTest, WithThePublishedCommonRangeItDoes) {
  FilterOptions published = options();
  published.follow_published_code();
  run_filter(published);
  const auto before = similarities();
  synthetic_.push_back({"extreme", "TRAIN", drawn(400, 1) * 50.0});
  published = options();
  published.follow_published_code();
  run_filter(published);
  EXPECT_GT(std::abs(similarities().at("new0.avi") - before.at("new0.avi")), 1e-4);
}

// EchoNet-Synthetic's apply.py: first frames, real ones stretched video by video, the percentile
// over TRAIN of the largest correlation with TEST; synthetic ones stretched over the whole set.
TEST_F(PrivacyFilterTest, PublishedFilterIsReproduced) {
  FilterOptions published = options();
  published.follow_published_code();
  const FilterSummary done = run_filter(published);
  const at::Tensor train = embeddings("TRAIN", true, true);
  EXPECT_EQ(done.tau_over, "training frames");
  EXPECT_EQ(done.compared, 6);
  EXPECT_NEAR(done.tau, percentile(largest(train, embeddings("TEST", true, true)), 95), 1e-5);
  std::vector<at::Tensor> frames;
  for (const MadeLatents& video : synthetic_) frames.push_back(video.mean.slice(0, 0, 1));
  const at::NoGradGuard no_grad;
  models::ReIdNet network =
      models::ModelDirectory::open(toy::shared_toy_model()).load_reid(at::kCPU);
  const auto expected = largest(network->embed(models::normalise_jointly(at::cat(frames))), train);
  const auto found = similarities();
  for (std::size_t i = 0; i < synthetic_.size(); ++i) {
    EXPECT_NEAR(found.at(synthetic_[i].name + ".avi"), expected[i], 2e-6);
  }
  const io::CsvTable histogram = io::read_csv(folder_.path() / "out/privacy_histogram.csv");
  EXPECT_EQ(histogram.columns[2], "training to held-out");
  // A given threshold is compared with the same values.
  published.tau = 2.0;
  const FilterSummary given = run_filter(published);
  EXPECT_EQ(given.tau_over, "training frames");
  EXPECT_EQ(given.compared, 6);
  EXPECT_EQ(given.compared_rate, 0.0);
}

TEST_F(PrivacyFilterTest, TheModelsThresholdIsTakenWhereItHolds) {
  FilterOptions chosen = options();
  const fs::path model = folder_.path() / "model";
  toy::write_toy_model(model);
  chosen.model = model.string();
  chosen.threshold = "model";
  // The toy's stored embeddings are not those of these training frames.
  try {
    run_filter(chosen);
    FAIL() << "accepted";
  } catch (const DataError& error) {
    EXPECT_THAT(error.what(), HasSubstr("not those that it was calibrated with"));
    EXPECT_THAT(error.what(), HasSubstr("--threshold real"));
  }
  models::ReIdThreshold stored = models::read_reid_threshold(model / "reid/threshold.json");
  io::save_safetensors(model / "reid/train_embeddings.safetensors",
                       {{"embeddings", embeddings("TRAIN", false, false)}});
  stored.tau = 0.5;
  stored.embeddings_hash = sha256_file(model / "reid/train_embeddings.safetensors");
  models::write_reid_threshold(model / "reid/threshold.json", stored);
  chosen.threshold = "auto";
  const FilterSummary done = run_filter(chosen);
  EXPECT_EQ(done.tau_source, "model");
  EXPECT_DOUBLE_EQ(done.tau, 0.5);
  chosen.tau = 2.0;
  EXPECT_EQ(run_filter(chosen).kept, 5);
}

TEST_F(PrivacyFilterTest, KeptFilesAreCopiedWithTheirList) {
  FilterOptions chosen = options();
  chosen.copy = true;
  const FilterSummary done = run_filter(chosen);
  const data::LatentDataset kept = data::LatentDataset::open(chosen.out);
  EXPECT_EQ(static_cast<std::int64_t>(kept.studies().size()), done.kept);
  const std::string name = "Latents/" + kept.studies().front().stem() + ".safetensors";
  EXPECT_EQ(sha256_file(fs::path(chosen.out) / name),
            sha256_file(fs::path(chosen.synthetic) / name));
  EXPECT_FALSE(fs::exists(fs::path(chosen.out) / "Latents/copy.safetensors"));
  EXPECT_TRUE(fs::is_regular_file(fs::path(chosen.out) / "privacy_histogram.png"));
  EXPECT_FALSE(fs::exists(fs::path(chosen.out) / "manifest.jsonl"));  // no samples
}

TEST_F(PrivacyFilterTest, ACopyOfSamplesIsASampleDirectoryAndNoRunToResume) {
  FilterOptions chosen = options();
  chosen.real = write_videos("real_videos", {"TRAIN", "TRAIN", "VAL", "VAL"}, 0);
  // Its first video is the real one's second.
  chosen.synthetic = write_videos("sampled", {"TRAIN", "TRAIN"}, 1);
  const generation::RunDocument run = write_run("sampled", 2, {"GIF"});
  chosen.copy = true;
  chosen.tau = 0.99999;
  ASSERT_EQ(run_filter(chosen).kept, 1);
  const fs::path copy = chosen.out;
  const auto entries = generation::read_manifest(copy / "manifest.jsonl");
  ASSERT_EQ(entries.size(), 1U);
  EXPECT_EQ(entries[0].file, "Videos/v1.avi");
  EXPECT_EQ(entries[0].seed, 71U);
  EXPECT_TRUE(entries[0].also.empty());  // the GIF was not copied
  EXPECT_TRUE(VideoSet::open(copy).is_sampled());
  const config::Json document = config::read_json((copy / "config.json").string());
  EXPECT_EQ(document.at("options").at("steps"), 2);
  EXPECT_EQ(document.at("filtered_from"), chosen.synthetic);
  ReportOptions report;
  report.directory = chosen.out;
  EXPECT_THAT(
      write_report(report).chapters,
      ::testing::ElementsAre("Sampled videos of out", "How out was made", "Privacy filter"));
  EXPECT_NO_THROW(generation::SampleDirectory(chosen.synthetic, run, /*resume=*/true));
  try {
    const generation::SampleDirectory resumed(copy, run, /*resume=*/true);
    FAIL() << "resumed";
  } catch (const UsageError& error) {
    EXPECT_THAT(error.what(), HasSubstr("holds a run with other options (filtered_from is"));
  }
}

TEST_F(PrivacyFilterTest, ACopyOfSamplesJudgedByTheirLatentsHasTheirVideosToo) {
  synthetic_.resize(2);
  synthetic_[0].name = stem_of(0);
  synthetic_[1].name = stem_of(1);
  FilterOptions chosen = options();
  write_run("synthetic", 2, {"Latents", "PNG"});
  io::write_video(folder_.path() / "synthetic/Videos/v0.avi", noise_video(1));
  chosen.copy = true;
  chosen.tau = 2.0;
  ASSERT_EQ(run_filter(chosen).kept, 2);
  // A line whose video is not there tells of nothing.
  const auto entries = generation::read_manifest(fs::path(chosen.out) / "manifest.jsonl");
  ASSERT_EQ(entries.size(), 1U);
  EXPECT_THAT(entries[0].also, ::testing::ElementsAre("Latents/v0"));
  EXPECT_EQ(sha256_file(fs::path(chosen.out) / "Videos/v0.avi"),
            sha256_file(folder_.path() / "synthetic/Videos/v0.avi"));
  EXPECT_TRUE(fs::exists(fs::path(chosen.out) / "Latents/v1.safetensors"));
}

TEST_F(PrivacyFilterTest, HistogramCountsEveryItemAndHeldOutValue) {
  const FilterSummary done = run_filter(options());
  const io::CsvTable table = io::read_csv(folder_.path() / "out/privacy_histogram.csv");
  std::int64_t held_out = 0, synthetic = 0;
  for (const auto& row : table.rows) {
    held_out += std::stoll(row[static_cast<std::size_t>(table.require_column("held-out frames"))]);
    synthetic += std::stoll(row[static_cast<std::size_t>(table.require_column("synthetic"))]);
  }
  EXPECT_EQ(held_out, done.compared);
  EXPECT_EQ(synthetic, done.judged);
}

TEST_F(PrivacyFilterTest, FinishedVideosAreJudgedThroughTheVae) {
  FilterOptions chosen = options();
  chosen.real = write_videos("real_videos", {"TRAIN", "TRAIN", "VAL", "VAL"}, 0);
  // Its first video is the real one's second.
  chosen.synthetic = write_videos("sampled", {"TRAIN", "TRAIN"}, 1);
  run_filter(chosen);
  const io::CsvTable table = scores();
  EXPECT_NEAR(std::stod(table.rows[0][2]), 1.0, 1e-5);
  EXPECT_EQ(table.rows[0][4], "v1.avi");
  EXPECT_LT(std::stod(table.rows[1][2]), 0.99999);
}

TEST_F(PrivacyFilterTest, BadInputIsTold) {
  const auto message = [](const FilterOptions& options) -> std::string {
    try {
      run_filter(options);
    } catch (const Error& error) {
      return error.what();
    }
    return "accepted";
  };
  FilterOptions chosen = options();
  chosen.compatibility.privacy_split = "TEST";
  EXPECT_EQ(message(chosen), "accepted");
  synthetic_[1].mean = at::full_like(synthetic_[1].mean, std::nan(""));
  EXPECT_THAT(message(options()), HasSubstr("new1.safetensors: its latents are not all finite"));
  synthetic_[1].mean = drawn(1, 1);
  // Whether or not tau is taken from the split that the patient is in.
  for (const std::size_t row : {std::size_t{8}, real_.size() - 1}) {
    const MadeLatents before = real_[row];
    real_[row].patient = "train3";
    EXPECT_THAT(message(options()),
                HasSubstr("patient 'train3' is in TRAIN and in " + before.split));
    FilterOptions given = options();
    given.tau = 0.5;
    EXPECT_THAT(message(given), HasSubstr("patient 'train3' is in TRAIN"));
    real_[row] = before;
  }
  // Two videos of one patient in one split are no leak.
  real_[1].patient = "train0";
  EXPECT_EQ(message(options()), "accepted");
  real_[1].patient = "";
  for (MadeLatents& video : real_) {
    if (video.split == "VAL") video.split = "TRAIN";
  }
  EXPECT_THAT(message(options()), HasSubstr("no video in split VAL"));
  for (MadeLatents& video : real_) video.split = "TEST";
  EXPECT_THAT(message(options()), HasSubstr("no video in split TRAIN"));
  chosen = options();
  chosen.out = chosen.synthetic;
  EXPECT_THAT(message(chosen), HasSubstr("the filter did not write"));
  chosen.tau = std::nan("");
  EXPECT_THAT(message(chosen), HasSubstr("finite"));
}

}  // namespace
}  // namespace echopath::evaluation
