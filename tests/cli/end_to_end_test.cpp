// The whole pipeline at toy size: real DICOM to a sampled video.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "cli/run_program.hpp"
#include "dicom_files.hpp"
#include "echopath/data/dataset.hpp"
#include "echopath/data/latent_dataset.hpp"
#include "echopath/io/video.hpp"

namespace echopath::cli {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::Outcome;
using testing::run;
using testing::TemporaryFolder;
using testing::write_text;

constexpr int kSize = 32;        // pixels; the toy VAE halves twice
constexpr int kBlockLength = 8;  // tests/fixtures/toy/lvdm.json
constexpr int kContextFrames = 2;
constexpr int kBlocks = 3;

/// Runs a verb that must succeed and gives its JSON.
json result_of(std::vector<std::string> arguments) {
  for (const char* common : {"--json", "--quiet", "--device", "cpu"})
    arguments.emplace_back(common);
  const Outcome outcome = run(arguments);
  if (outcome.exit_code != 0) {
    ADD_FAILURE() << arguments.front() << ": exit code " << outcome.exit_code << ": "
                  << outcome.err;
    return json::object();
  }
  return json::parse(outcome.out);
}

/// A cine of a bright disc that grows and shrinks, for patients that the real files do not give.
std::string made_cine(int patient) {
  constexpr int kFrames = 24;
  constexpr int kSide = 64;
  tests::DicomWriter writer(kSide, kSide, kFrames);
  writer.patient_id = "MADE-" + std::to_string(patient);
  writer.sop_instance_uid = "1.2.3.4." + std::to_string(100 + patient);
  writer.text(0x0008, 0x2144, "IS", "30");
  std::size_t i = 0;
  for (int t = 0; t < kFrames; ++t) {
    const double radius = 12.0 + 6.0 * std::sin(t * 0.5 + patient);
    for (int y = 0; y < kSide; ++y) {
      for (int x = 0; x < kSide; ++x) {
        const double distance = std::hypot(x - 32.0, y - 28.0 - 3.0 * patient);
        const int speckle = (x * 7 + y * 13 + t * 5 + patient * 31) % 40;
        writer.pixels[i++] = static_cast<char>((distance < radius ? 180 : 40) + speckle);
      }
    }
  }
  return writer.file();
}

/// Two real cines (of one patient identifier) and a made one for training, two made ones for
/// validation, and one broken file.
void write_studies(const fs::path& folder, const fs::path& real) {
  fs::create_directories(folder);
  fs::copy_file(real / "color3d_jpeg_baseline.dcm", folder / "real_a.dcm");
  fs::copy_file(real / "examples_ybr_color.dcm", folder / "real_b.dcm");
  write_text(folder / "made_a.dcm", made_cine(1));
  write_text(folder / "made_b.dcm", made_cine(2));
  write_text(folder / "made_c.dcm", made_cine(3));
  write_text(folder / "broken.dcm", std::string(128, '\0') + "DICM broken");
  write_text(folder.parent_path() / "labels.csv",
             "FileName,ClassName\nreal_a.dcm,ASD\nreal_b.dcm,Non-ASD\nmade_a.dcm,ASD\n"
             "made_b.dcm,Non-ASD\nmade_c.dcm,Non-ASD\n");
  write_text(folder.parent_path() / "split.csv",
             "FileName,Split\nreal_a.dcm,TRAIN\nreal_b.dcm,TRAIN\nmade_c.dcm,TRAIN\n"
             "made_a.dcm,VAL\nmade_b.dcm,VAL\n");
}

json train(const TemporaryFolder& folder, const std::string& network, const std::string& data_key) {
  const std::string config = std::string(ECHOPATH_SOURCE_DIR) + "/tests/fixtures/toy/" + network;
  return result_of({"train", network, "--config", config + ".json", "--out",
                    folder / ("runs/" + network), "--set", data_key, "--set",
                    "output.model_directory=" + folder / "model"});
}

void check_import(const TemporaryFolder& folder) {
  const json imported = result_of({"import", folder / "studies", "--format", "dicom", "--labels",
                                   folder / "labels.csv", "--split-file", folder / "split.csv",
                                   "--size", std::to_string(kSize), "--out", folder / "data"});
  EXPECT_EQ(imported["imported"], 5);
  ASSERT_EQ(imported["failed"].size(), 1U);
  EXPECT_EQ(fs::path(imported["failed"][0]["path"].get<std::string>()).filename(), "broken.dcm");
  EXPECT_EQ(imported["splits"], json({{"TRAIN", 3}, {"VAL", 2}}));
  const data::Dataset dataset = data::Dataset::open(folder / "data");
  for (const data::Study& study : dataset.studies()) {
    EXPECT_DOUBLE_EQ(study.fps, 32.0);
    EXPECT_EQ(study.frame_height, kSize);
    EXPECT_EQ(study.file_name.find("real"), std::string::npos) << "names are pseudonyms";
  }
}

void check_latents(const TemporaryFolder& folder) {
  const json encoded = result_of({"encode", "--data", folder / "data", "--model", folder / "model",
                                  "--out", folder / "latents"});
  EXPECT_EQ(encoded["videos"], 5);
  const data::LatentDataset latents = data::LatentDataset::open(folder / "latents");
  EXPECT_EQ(latents.latent_shape(), (std::vector<std::int64_t>{4, kSize / 4, kSize / 4}));
  for (const data::Study& study : latents.studies()) {
    EXPECT_EQ(latents.load(study).mean.size(0), study.number_of_frames);
  }
}

void check_training(const TemporaryFolder& folder, const std::string& network,
                    const std::string& data_key) {
  const json report = train(folder, network, data_key);
  EXPECT_GT(report["parameters"], 0);
  EXPECT_TRUE(fs::exists(folder / ("runs/" + network + "/metrics.jsonl")));
  EXPECT_TRUE(fs::exists(folder / ("model/" + network + "/diffusion_pytorch_model.safetensors")));
}

void check_samples(const TemporaryFolder& folder) {
  const std::vector<std::string> command = {"sample",
                                            "--class",
                                            "ASD",
                                            "--w",
                                            "2",
                                            "--blocks",
                                            std::to_string(kBlocks),
                                            "--steps",
                                            "3",
                                            "--seed",
                                            "7",
                                            "--allow-unfiltered",
                                            "--set",
                                            "max_redraws=2",
                                            "--model",
                                            folder / "model"};
  const auto sample_into = [&](const std::string& name) {
    std::vector<std::string> arguments = command;
    arguments.insert(arguments.end(), {"--out", folder / name});
    return result_of(arguments);
  };
  const json first = sample_into("samples");
  ASSERT_EQ(first["videos"].size(), 1U);
  const io::Frames video = io::read_video(first["videos"][0].get<std::string>());
  EXPECT_EQ(video.count, kBlockLength + (kBlockLength - kContextFrames) * (kBlocks - 1));
  EXPECT_EQ(video.height, kSize);
  EXPECT_EQ(video.width, kSize);
  EXPECT_DOUBLE_EQ(video.fps, 32.0);
  EXPECT_TRUE(fs::exists(first["contact_sheet"].get<std::string>()));
  EXPECT_TRUE(fs::exists(first["index"].get<std::string>()));
  const json again = sample_into("again");
  EXPECT_EQ(io::read_video(again["videos"][0].get<std::string>()).pixels, video.pixels)
      << "the same seed gives the same video";
}

void check_decoding(const TemporaryFolder& folder) {
  const json decoded = result_of({"decode", "--latents", folder / "latents", "--model",
                                  folder / "model", "--out", folder / "decoded"});
  EXPECT_EQ(decoded["videos"], 5);
  const data::Dataset before = data::Dataset::open(folder / "data");
  const data::Dataset after = data::Dataset::open(folder / "decoded");
  ASSERT_EQ(after.studies().size(), before.studies().size());
  for (std::size_t i = 0; i < after.studies().size(); ++i) {
    EXPECT_EQ(after.load(after.studies()[i]).count, before.studies()[i].number_of_frames);
  }
}

TEST(EndToEnd, RealDicomToASampledVideo) {
  const fs::path real = tests::dicom_folder();
  ASSERT_FALSE(real.empty()) << tests::kDicomMissing;
  const TemporaryFolder folder;
  write_studies(folder / "studies", real);
  ASSERT_NO_FATAL_FAILURE(check_import(folder));
  check_training(folder, "vae", "data.dataset=" + folder / "data");
  ASSERT_NO_FATAL_FAILURE(check_latents(folder));
  for (const char* network : {"lidm", "lvdm", "reid"}) {
    check_training(folder, network, "data.latents=" + folder / "latents");
  }
  EXPECT_TRUE(fs::exists(folder / "model/reid/threshold.json"));
  ASSERT_NO_FATAL_FAILURE(check_samples(folder));
  check_decoding(folder);
}

}  // namespace
}  // namespace echopath::cli
