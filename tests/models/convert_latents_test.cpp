#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "echopath/data/latent_dataset.hpp"
#include "echopath/io/pt_reader.hpp"
#include "echopath/io/safetensors.hpp"
#include "echopath/models/convert.hpp"
#include "models/convert_support.hpp"

namespace echopath::models {
namespace {

using testing::Convert;
using ::testing::ElementsAre;
using testing::from;
using ::testing::IsEmpty;

TEST_F(Convert, ReferenceLatentsAreUnscaled) {
  const fs::path source = fs::path(ECHOPATH_SOURCE_DIR) / "tests/fixtures/data/latents.pt";
  const at::Tensor scaled = io::load_pt(source).at("");
  const Conversion conversion(from(source));
  EXPECT_EQ(conversion.latent_videos(), 1);
  EXPECT_THAT(conversion.networks(), IsEmpty());
  expect_error<UsageError>([&] { conversion.write(out_); }, "something.safetensors");
  conversion.write(folder_ / "one.safetensors");
  const io::SafetensorsFile file(folder_ / "one.safetensors");
  EXPECT_TRUE(at::allclose(file.tensor("mean") * 0.18215, scaled.to(at::kFloat)));
  EXPECT_EQ(file.tensor("logvar").max().item<float>(), -30.0F);
  EXPECT_EQ(file.metadata().at("scaling_factor"), "0.18215");
}

TEST_F(Convert, ADirectoryOfReferenceLatentsBecomesOneOfOurs) {
  fs::create_directories(folder_ / "reference/Latents");
  const fs::path source = fs::path(ECHOPATH_SOURCE_DIR) / "tests/fixtures/data/latents.pt";
  fs::copy(source, folder_ / "reference/Latents/A.pt");
  write_text("reference/FileList.csv", "FileName,ClassName,Split,FPS\nA,PAH,TRAIN,32\n");
  Conversion(from(folder_ / "reference")).write(out_);
  EXPECT_TRUE(fs::exists(out_ / "Latents/A.safetensors"));
  const data::LatentDataset dataset = data::LatentDataset::open(out_);
  EXPECT_THAT(dataset.class_names(), ElementsAre("PAH"));
  EXPECT_TRUE(at::equal(dataset.load(dataset.studies()[0]).mean,
                        data::read_reference_latents(source).mean));
}

TEST_F(Convert, AFolderOfReferenceLatentsWithoutListBecomesOneOfOurFiles) {
  const fs::path source = fs::path(ECHOPATH_SOURCE_DIR) / "tests/fixtures/data/latents.pt";
  fs::create_directories(folder_ / "bare/Latents");
  for (const char* name : {"Latents/A.pt", "Latents/B.pt"}) {
    fs::copy(source, folder_ / "bare" / name);
  }
  const at::Tensor mean = data::read_reference_latents(source).mean;
  Conversion(from(folder_ / "bare")).write(out_);
  EXPECT_TRUE(at::equal(io::SafetensorsFile(out_ / "Latents/B.safetensors").tensor("mean"), mean));
  const Conversion conversion(from(folder_ / "bare/Latents"));
  EXPECT_EQ(conversion.latent_videos(), 2);
  EXPECT_THAT(conversion.left_out(), IsEmpty());
  conversion.write(folder_ / "flat");
  EXPECT_TRUE(at::equal(io::SafetensorsFile(folder_ / "flat/A.safetensors").tensor("mean"), mean));
}

TEST_F(Convert, LatentsThatAreNoneAreRefused) {
  const fs::path place = fs::path(ECHOPATH_SOURCE_DIR) / "tests/fixtures/data";
  for (const char* name : {"latents_of_integers.pt", "latents_without_frames.pt"}) {
    expect_error<DataError>([&] { Conversion{from(place / name)}; },
                            std::string(name) + " holds no latent video");
  }
  const ConvertOptions options = from(place / "latents_with_nan.pt");
  expect_error<DataError>([&] { Conversion(options).require_convertible(""); }, "not finite");
  expect_error<DataError>([&] { Conversion(options).write(folder_ / "x.safetensors"); },
                          "not finite");
  EXPECT_FALSE(fs::exists(folder_ / "x.safetensors"));
}

}  // namespace
}  // namespace echopath::models
