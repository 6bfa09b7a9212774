#include "echopath/generation/manifest.hpp"

#include <gtest/gtest.h>

#include "echopath/core/errors.hpp"
#include "toy_model.hpp"

namespace echopath::generation {
namespace {

ManifestEntry entry_of(std::int64_t index) {
  ManifestEntry entry;
  entry.index = index;
  entry.file = "Videos/ASD_000007.mp4";
  entry.class_name = "ASD";
  entry.seed = 0xffffffffffffffffULL;
  entry.guidance_scale = 5;
  entry.video_guidance = diffusion::GuidanceOptions{
      .scale = 2.0, .frame_scale = 1.5, .rescale = 0.5, .interval_start = 0.1, .interval_end = 0.8};
  entry.heart_rate = 71.5;
  entry.solver = "ddim";
  entry.steps = 50;
  entry.frames = 253;
  entry.seam_fade = 3;
  entry.privacy_score = 0.25;
  entry.redraws = 3;
  entry.filtered = true;
  entry.weight_hashes = {{"vae", "abc"}};
  return entry;
}

TEST(Manifest, EntrySurvivesTheWayThroughJson) {
  const ManifestEntry entry = entry_of(4);
  const ManifestEntry back = ManifestEntry::from_json(entry.to_json(), "test");
  EXPECT_EQ(back.to_json(), entry.to_json());
  EXPECT_EQ(back.heart_rate, 71.5);
  EXPECT_EQ(back.seam_fade, 3);
  EXPECT_EQ(back.seed, entry.seed);
  ASSERT_TRUE(back.video_guidance.has_value());
  EXPECT_EQ(back.video_guidance->scale, 2.0);
  EXPECT_EQ(back.video_guidance->interval_end, 0.8);
  EXPECT_EQ(back.privacy_score, 0.25);
  EXPECT_FALSE(back.privacy_tau.has_value());
}

TEST(Manifest, LinesOfEarlierVersionsDoNotSayHowTheVideoWasGuided) {
  config::Json line = entry_of(0).to_json();
  line.erase("video_guidance");
  line.erase("heart_rate");
  line.erase("seam_fade");
  const ManifestEntry entry = ManifestEntry::from_json(line, "test");
  EXPECT_FALSE(entry.video_guidance.has_value());
  EXPECT_EQ(entry.seam_fade, 0) << "their blocks did not fade";
}

TEST(Manifest, LeavesOutAHalfWrittenLastLine) {
  const testing::TemporaryFolder folder;
  const fs::path path = folder / "manifest.jsonl";
  const std::string line = entry_of(0).to_json().dump();
  write_file(path, line + "\n" + line.substr(0, 30));
  EXPECT_EQ(read_manifest(path).size(), 1U);
}

TEST(Manifest, NamesTheLineThatIsBroken) {
  const testing::TemporaryFolder folder;
  const fs::path path = folder / "manifest.jsonl";
  write_file(path, entry_of(0).to_json().dump() + "\n{\"index\": 1}\n");
  try {
    read_manifest(path);
    FAIL() << "a broken line was read";
  } catch (const DataError& error) {
    EXPECT_NE(std::string(error.what()).find("manifest.jsonl:2"), std::string::npos);
  }
}

}  // namespace
}  // namespace echopath::generation
