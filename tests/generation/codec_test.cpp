#include "echopath/generation/codec.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "echopath/core/errors.hpp"
#include "echopath/data/dataset.hpp"
#include "echopath/data/latent_dataset.hpp"
#include "echopath/io/video.hpp"
#include "toy_model.hpp"

namespace echopath::generation {
namespace {

using testing::shared_toy_model;
using testing::TemporaryFolder;

/// Two short videos of a moving blob of this brightness.
void write_dataset(const fs::path& directory, double brightness = 220.0) {
  std::vector<data::Study> studies;
  for (const std::int64_t count : {3, 5}) {
    io::Frames frames;
    frames.count = count;
    frames.height = frames.width = testing::kToyImageSize;
    frames.fps = 32;
    for (std::int64_t t = 0; t < count; ++t) {
      for (std::int64_t i = 0; i < 28 * 28; ++i) {
        const double x = static_cast<double>(i % 28) - 8.0 - static_cast<double>(t + count);
        const double y = static_cast<double>(i / 28) - 14.0;
        frames.pixels.push_back(
            static_cast<std::uint8_t>(brightness * std::exp(-(x * x + y * y) / 40.0)));
      }
    }
    data::Study study;
    study.file_name = "heart" + std::to_string(count) + ".avi";
    study.class_name = "ASD";
    study.patient_id = "p" + std::to_string(count);
    study.split = count == 3 ? "TRAIN" : "VAL";
    study.fps = 32;
    study.number_of_frames = count;
    study.frame_height = study.frame_width = testing::kToyImageSize;
    io::write_video(directory / "Videos" / study.file_name, frames);
    studies.push_back(study);
  }
  data::write_file_list(directory / "FileList.csv", studies);
}

EncodeOptions encode_options(const TemporaryFolder& folder) {
  EncodeOptions options;
  options.data = (folder / "data").string();
  options.model = shared_toy_model().string();
  options.out = (folder / "latents").string();
  options.batch_size = 2;
  options.device = "cpu";
  return options;
}

DecodeOptions decode_options(const TemporaryFolder& folder) {
  DecodeOptions options;
  options.latents = (folder / "latents").string();
  options.model = shared_toy_model().string();
  options.out = (folder / "decoded").string();
  options.device = "cpu";
  return options;
}

/// Two black frames of this size.
io::Frames black(std::int64_t side) {
  io::Frames frames;
  frames.count = 2;
  frames.height = frames.width = side;
  frames.fps = 32;
  frames.pixels.resize(static_cast<std::size_t>(2 * side * side));
  return frames;
}

/// The message of the error of type Wanted that the call ends in.
template <class Wanted, class Call>
std::string message_of(Call&& call) {
  try {
    call();
  } catch (const Wanted& error) {
    return error.what();
  }
  ADD_FAILURE() << "no error";
  return "";
}

TEST(Encode, WritesUnscaledPosteriorsAndTheList) {
  const TemporaryFolder folder;
  write_dataset(folder / "data");
  const CodecSummary summary = encode_dataset(encode_options(folder));
  EXPECT_EQ(summary.videos, 2);
  EXPECT_EQ(summary.frames, 8);

  const auto latents = data::LatentDataset::open(folder / "latents");
  ASSERT_EQ(latents.studies().size(), 2U);
  EXPECT_EQ(latents.studies()[1].split, "VAL");
  EXPECT_NEAR(latents.scaling_factor(), 0.18215, 1e-9);
  const auto model = models::ModelDirectory::open(shared_toy_model());
  EXPECT_EQ(latents.encoder_hash(), model.encoder_hash());

  const at::NoGradGuard no_grad;
  const io::Frames frames = data::Dataset::open(folder / "data").load(latents.studies()[0]);
  at::Tensor pixels = at::empty({3, 1, 28, 28});
  for (std::size_t i = 0; i < frames.pixels.size(); ++i) {
    pixels.data_ptr<float>()[i] = static_cast<float>(frames.pixels[i]) / 127.5F - 1.0F;
  }
  const auto posterior = model.load_vae(at::kCPU)->encode(pixels.expand({3, 3, 28, 28}));
  const data::LatentVideo stored = latents.load(latents.studies()[0]);
  EXPECT_TRUE(at::allclose(stored.mean, posterior.mean, 1e-4, 1e-5));
  EXPECT_TRUE(at::allclose(stored.logvar, posterior.logvar, 1e-4, 1e-5));
}

TEST(Encode, SecondRunKeepsWholeFilesOfTheSameVae) {
  const TemporaryFolder folder;
  write_dataset(folder / "data");
  encode_dataset(encode_options(folder));
  write_file(folder / "latents/Latents/heart5.safetensors", "damaged");
  const CodecSummary again = encode_dataset(encode_options(folder));
  EXPECT_EQ(again.skipped, 1);
  EXPECT_EQ(again.videos, 1);

  torch::manual_seed(99);
  testing::save_toy(folder / "other", "vae", "AutoencoderKL", testing::toy_vae());
  EncodeOptions other = encode_options(folder);
  other.model = (folder / "other").string();
  EXPECT_EQ(encode_dataset(other).skipped, 0);
}

TEST(Encode, OtherVideosOfTheSameNamesAreEncodedAnew) {
  const TemporaryFolder folder;
  write_dataset(folder / "data");
  encode_dataset(encode_options(folder));
  const auto mean = [&] {
    const auto latents = data::LatentDataset::open(folder / "latents");
    return latents.load(latents.studies()[1]).mean.clone();
  };
  const at::Tensor first = mean();
  write_dataset(folder / "other", 90.0);
  EncodeOptions other = encode_options(folder);
  other.data = (folder / "other").string();
  EXPECT_EQ(encode_dataset(other).skipped, 0);
  EXPECT_FALSE(at::allclose(mean(), first));
  EXPECT_EQ(encode_dataset(other).skipped, 2);
  const io::SafetensorsFile file(folder / "latents/Latents/heart5.safetensors");
  EXPECT_EQ(file.metadata().at("video_sha256"), sha256_file(folder / "other/Videos/heart5.avi"));
}

TEST(Encode, AListWithoutFrameCountsIsEncodedOnce) {
  const TemporaryFolder folder;
  write_dataset(folder / "data");
  write_file(folder / "data/FileList.csv", "FileName,ClassName\nheart3.avi,ASD\nheart5,ASD\n");
  EXPECT_EQ(encode_dataset(encode_options(folder)).videos, 2);
  EXPECT_EQ(encode_dataset(encode_options(folder)).skipped, 2);
  const auto latents = data::LatentDataset::open(folder / "latents");
  EXPECT_EQ(latents.studies()[0].number_of_frames, 3);
  EXPECT_EQ(latents.studies()[1].number_of_frames, 5);
}

TEST(Encode, RefusesTheFirstVideoOfAnotherSize) {
  const TemporaryFolder folder;
  write_dataset(folder / "data");
  const std::string heart5 = (folder / "data/Videos/heart5.avi").string();
  const std::string good = read_file(heart5);
  io::write_video(heart5, black(32));
  const auto encode = [&] { encode_dataset(encode_options(folder)); };
  const std::string refused = "video '" + heart5 + "' has frames of 32x32, '" +
                              (folder / "data/Videos/heart3.avi").string() +
                              "' of 28x28; bring them to one size with `echopath import --size N`";
  EXPECT_EQ(message_of<DataError>(encode), refused);
  EXPECT_FALSE(fs::exists(folder / "latents/FileList.csv"));
  // The first one is there now, and its size still counts.
  EXPECT_EQ(message_of<DataError>(encode), refused);
  write_file(heart5, good);
  EXPECT_EQ(encode_dataset(encode_options(folder)).skipped, 1);
}

TEST(Encode, LeavesNoEmptyFoldersBehind) {
  const TemporaryFolder folder;
  write_dataset(folder / "data");
  io::write_video(folder / "data/Videos/heart3.avi", black(27));
  message_of<DataError>([&] { encode_dataset(encode_options(folder)); });
  EXPECT_FALSE(fs::exists(folder / "latents"));
  // A folder that was there stays.
  fs::create_directories(folder / "latents");
  message_of<DataError>([&] { encode_dataset(encode_options(folder)); });
  EXPECT_TRUE(fs::is_empty(folder / "latents"));
}

TEST(Encode, DoesNotReplaceTheListOfADataset) {
  const TemporaryFolder folder;
  write_dataset(folder / "data");
  EncodeOptions options = encode_options(folder);
  options.out = options.data;
  const std::string list = read_file(folder / "data/FileList.csv");
  EXPECT_NE(message_of<UsageError>([&] { encode_dataset(options); }).find(options.data),
            std::string::npos);
  EXPECT_EQ(read_file(folder / "data/FileList.csv"), list);
  EXPECT_FALSE(fs::exists(folder / "data/Latents"));
}

TEST(Decode, RefusesToReplaceWhatItDidNotMake) {
  const TemporaryFolder folder;
  write_dataset(folder / "data");
  encode_dataset(encode_options(folder));
  const std::string video = (folder / "data/Videos/heart3.avi").string();
  const std::string video_before = sha256_file(video);
  const std::string list_before = read_file(folder / "data/FileList.csv");
  DecodeOptions options = decode_options(folder);
  options.out = (folder / "data").string();
  // MP4s would stand beside the AVIs, but the list would be replaced.
  for (const char* codec : {"ffv1", "h264"}) {
    options.codec = codec;
    EXPECT_EQ(message_of<UsageError>([&] { decode_latents(options); }),
              "--out '" + options.out + "' holds '" + video +
                  "', which decode did not make or which is damaged; choose another --out, or "
                  "remove it");
  }
  EXPECT_EQ(sha256_file(video), video_before);
  EXPECT_EQ(read_file(folder / "data/FileList.csv"), list_before);
  // A latents directory has a list too.
  options.out = options.latents;
  message_of<UsageError>([&] { decode_latents(options); });
  EXPECT_EQ(data::LatentDataset::open(options.latents).studies().size(), 2U);
}

TEST(Decode, LatentsThatChangedAreDecodedAnew) {
  const TemporaryFolder folder;
  write_dataset(folder / "data");
  encode_dataset(encode_options(folder));
  decode_latents(decode_options(folder));
  const auto pixels = [&] { return io::read_video(folder / "decoded/Videos/heart3.avi").pixels; };
  const auto before = pixels();
  const auto latents = data::LatentDataset::open(folder / "latents");
  const data::LatentVideo first = latents.load(latents.studies()[0]);
  data::write_latents(folder / "latents", latents.studies()[0],
                      {first.mean * 3.0 + 1.0, first.logvar.clone()}, latents.scaling_factor(),
                      latents.encoder_hash());
  const CodecSummary again = decode_latents(decode_options(folder));
  EXPECT_EQ(again.videos, 1);
  EXPECT_EQ(again.skipped, 1);
  EXPECT_NE(pixels(), before);
}

TEST(Decode, GivesVideosOfTheSameLengthAndSize) {
  const TemporaryFolder folder;
  write_dataset(folder / "data");
  encode_dataset(encode_options(folder));
  EXPECT_EQ(decode_latents(decode_options(folder)).frames, 8);
  const auto decoded = data::Dataset::open(folder / "decoded");
  ASSERT_EQ(decoded.studies().size(), 2U);
  EXPECT_EQ(decoded.studies()[1].number_of_frames, 5);
  EXPECT_EQ(decoded.load(decoded.studies()[1]).count, 5);
  EXPECT_EQ(decoded.studies()[1].frame_width, testing::kToyImageSize);
  EXPECT_EQ(decode_latents(decode_options(folder)).skipped, 2);
}

TEST(Decode, RefusesLatentsOfAnotherVae) {
  const TemporaryFolder folder;
  write_dataset(folder / "data");
  encode_dataset(encode_options(folder));
  torch::manual_seed(99);
  testing::save_toy(folder / "other", "vae", "AutoencoderKL", testing::toy_vae());
  DecodeOptions options = decode_options(folder);
  options.model = (folder / "other").string();
  EXPECT_THROW(decode_latents(options), DataError);
  EXPECT_FALSE(fs::exists(folder / "decoded"));
}

TEST(Encode, NamesTheVideoThatDoesNotFit) {
  const TemporaryFolder folder;
  write_dataset(folder / "data");
  io::write_video(folder / "data/Videos/heart3.avi", black(27));
  try {
    encode_dataset(encode_options(folder));
    FAIL() << "a 27 x 27 video was encoded";
  } catch (const DataError& error) {
    EXPECT_NE(std::string(error.what()).find("heart3.avi"), std::string::npos);
  }
}

}  // namespace
}  // namespace echopath::generation
