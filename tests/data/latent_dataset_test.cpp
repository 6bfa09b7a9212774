#include "echopath/data/latent_dataset.hpp"

#include "core/temporary_directory.hpp"
#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"

namespace echopath::data {
namespace {

Study study_of(const std::string& name, const std::string& class_name = "ASD",
               const std::string& split = "TRAIN") {
  return Study{name, class_name, name, split, 32.0, 5, 112, 112, {}, {}, {}};
}

LatentVideo latents_of(std::int64_t frames, double offset = 0.0) {
  const at::Tensor mean =
      (at::arange(frames * 4 * 3 * 2, at::kFloat) / 7 + offset).reshape({frames, 4, 3, 2});
  return {mean, mean * 0.5 - 3.0};
}

class LatentFolder : public testing::Test {
 protected:
  void list(const std::vector<Study>& studies) {
    write_file_list(folder_ / "FileList.csv", studies);
  }
  void expect_refused(const std::string& part) {
    expect_error<DataError>([&] { LatentDataset::open(folder_.path()); }, part);
  }

  TemporaryDirectory folder_;
};

TEST_F(LatentFolder, WhatIsWrittenIsReadBack) {
  const Study first = study_of("a.avi"), second = study_of("b.avi", "PAH", "TEST");
  write_latents(folder_.path(), first, latents_of(5), 0.73, "hash");
  write_latents(folder_.path(), second, latents_of(3, 1.0), 0.73, "hash");
  list({first, second});
  const LatentDataset dataset = LatentDataset::open(folder_.path());
  EXPECT_EQ(dataset.scaling_factor(), 0.73);
  EXPECT_EQ(dataset.encoder_hash(), "hash");
  EXPECT_EQ(dataset.latent_shape(), (std::vector<std::int64_t>{4, 3, 2}));
  EXPECT_EQ(dataset.class_names(), (std::vector<std::string>{"ASD", "PAH"}));
  ASSERT_EQ(dataset.split("TEST").size(), 1U);
  const LatentVideo back = dataset.load(dataset.split("TEST")[0]);
  EXPECT_TRUE(at::equal(back.mean, latents_of(3, 1.0).mean));
  EXPECT_TRUE(at::equal(back.logvar, latents_of(3, 1.0).logvar));
  EXPECT_TRUE(fs::exists(folder_ / "Latents/a.safetensors"));
}

TEST_F(LatentFolder, LatentsOutliveTheDataset) {
  const Study study = study_of("a.avi");
  write_latents(folder_.path(), study, latents_of(2), 1.0, "");
  list({study});
  LatentVideo latents;
  { latents = LatentDataset::open(folder_.path()).load(study); }
  EXPECT_TRUE(at::equal(latents.mean, latents_of(2).mean));
}

TEST_F(LatentFolder, TheReferencesScaledPtFilesAreUnscaled) {
  // tests/fixtures/data/make.py
  fs::create_directories(folder_ / "Latents");
  fs::copy(fs::path(ECHOPATH_SOURCE_DIR) / "tests/fixtures/data/latents.pt",
           folder_ / "Latents/a.pt");
  list({study_of("a.avi")});
  const LatentDataset dataset = LatentDataset::open(folder_.path());
  EXPECT_DOUBLE_EQ(dataset.scaling_factor(), 0.18215);
  EXPECT_EQ(dataset.encoder_hash(), "");
  EXPECT_EQ(dataset.latent_shape(), (std::vector<std::int64_t>{4, 2, 2}));
  const LatentVideo latents = dataset.load(dataset.studies()[0]);
  const at::Tensor stored = at::arange(48, at::kFloat).reshape({3, 4, 2, 2}) / 8;
  EXPECT_TRUE(at::allclose(latents.mean * 0.18215, stored, 1e-6, 1e-6));
  EXPECT_TRUE(at::equal(latents.logvar, at::full_like(stored, -30.0)));
}

TEST_F(LatentFolder, MissingPartsAreNamed) {
  expect_error<DataError>([&] { LatentDataset::open(folder_ / "none"); }, "none");
  expect_refused("no FileList.csv");
  write_latents(folder_.path(), study_of("a.avi"), latents_of(2), 1.0, "");
  list({study_of("a.avi"), study_of("b.avi")});
  expect_refused("row 3: latents of 'b.avi' are missing");
}

TEST_F(LatentFolder, LatentsOfDifferentVaesAreRefused) {
  const Study first = study_of("a.avi"), second = study_of("b.avi");
  list({first, second});
  write_latents(folder_.path(), first, latents_of(2), 0.5, "one");
  write_latents(folder_.path(), second, latents_of(2), 0.5, "two");
  expect_refused("b.safetensors was made by another VAE");
}

TEST_F(LatentFolder, LatentsOfOtherSizesOrFactorsAreRefusedAsSuch) {
  const Study first = study_of("a.avi"), second = study_of("b.avi");
  list({first, second});
  write_latents(folder_.path(), first, latents_of(2), 0.5, "one");
  write_latents(folder_.path(), second, latents_of(2), 0.625, "one");
  expect_refused("b.safetensors states the scaling_factor 0.625, " +
                 (folder_ / "Latents/a.safetensors").string() + " states 0.5");
  const at::Tensor other_shape = at::zeros({2, 4, 5, 2});
  write_latents(folder_.path(), second, {other_shape, other_shape}, 0.5, "one");
  expect_refused("b.safetensors holds latents of 4x5x2, " +
                 (folder_ / "Latents/a.safetensors").string() + " of 4x3x2");
  expect_refused("`echopath import --size N`");
}

TEST_F(LatentFolder, DamagedFilesAreNamedAndLeftOutWhereAskedFor) {
  const std::vector<Study> studies = {study_of("a.avi"), study_of("b.avi"), study_of("c.avi")};
  for (const Study& study : studies) {
    write_latents(folder_.path(), study, latents_of(5), 0.73, "hash");
  }
  list(studies);
  const fs::path truncated = folder_ / "Latents/a.safetensors";
  fs::resize_file(truncated, fs::file_size(truncated) - 8);
  expect_refused("a.safetensors");
  write_file(folder_ / "Latents/b.safetensors", "no latents at all");
  const LatentDataset dataset = LatentDataset::open(folder_.path(), true);
  ASSERT_EQ(dataset.studies().size(), 1U);
  EXPECT_EQ(dataset.studies()[0].file_name, "c.avi");
  EXPECT_EQ(dataset.encoder_hash(), "hash");
  write_file(folder_ / "Latents/c.safetensors", "");
  expect_error<DataError>([&] { LatentDataset::open(folder_.path(), true); },
                          "holds no latents that can be read");
}

TEST_F(LatentFolder, MetadataSayWhatWasEncoded) {
  const Study study = study_of("a.avi");
  write_latents(folder_.path(), study, latents_of(2), 0.25, "encoder", "video");
  const fs::path file = folder_ / "Latents/a.safetensors";
  EXPECT_EQ(io::SafetensorsFile(file).metadata(), (io::Metadata{{"scaling_factor", "0.25"},
                                                                {"pixel_range", "[-1, 1]"},
                                                                {"encoder_hash", "encoder"},
                                                                {"video_sha256", "video"}}));
  EXPECT_EQ(io::SafetensorsFile(file).metadata(), latent_metadata(0.25, "encoder", "video"));
  list({study});
  EXPECT_EQ(LatentDataset::open(folder_.path()).latent_path(study), file);
}

TEST_F(LatentFolder, MoreMetadataChangeNothingForReaders) {
  const Study study = study_of("a.avi");
  list({study});
  io::Metadata metadata = latent_metadata(0.25, "encoder");
  metadata["comment"] = "made otherwise";
  const fs::path file = folder_ / "Latents/a.safetensors";
  save_latents(file, latents_of(2), metadata);
  EXPECT_EQ(io::SafetensorsFile(file).metadata(), metadata);
  const LatentDataset dataset = LatentDataset::open(folder_.path());
  EXPECT_EQ(dataset.scaling_factor(), 0.25);
  EXPECT_EQ(dataset.encoder_hash(), "encoder");
  EXPECT_TRUE(at::equal(dataset.load(study).mean, latents_of(2).mean));
}

TEST_F(LatentFolder, FilesThatAreNoLatentsAreRefused) {
  list({study_of("a.avi")});
  const fs::path file = folder_ / "Latents/a.safetensors";
  const LatentVideo latents = latents_of(2);
  io::save_safetensors(file, {{"mean", latents.mean}, {"logvar", latents.logvar}});
  expect_refused("a.safetensors states no scaling_factor");
  io::save_safetensors(file, {{"mean", latents.mean}}, {{"scaling_factor", "1"}});
  expect_refused("logvar");
  io::save_safetensors(file, {{"mean", latents.mean}, {"logvar", latents.logvar.slice(0, 1)}},
                       {{"scaling_factor", "1"}});
  expect_refused("float32 of one shape");
  io::save_safetensors(file, {{"mean", latents.mean[0]}, {"logvar", latents.logvar[0]}},
                       {{"scaling_factor", "1"}});
  expect_refused("[T, C, H, W]");
  write_file(file, "not safetensors");
  expect_refused("a.safetensors");
}

}  // namespace
}  // namespace echopath::data
