#include "echopath/evaluation/jpeg.hpp"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include "evaluation/reference.hpp"

namespace echopath::evaluation {
namespace {

using testing::reference;

io::Frames frames_of(const at::Tensor& image) {
  io::Frames frames;
  frames.count = 1;
  frames.height = image.size(0);
  frames.width = image.size(1);
  frames.channels = image.dim() == 3 ? image.size(2) : 1;
  const auto* bytes = image.contiguous().data_ptr<std::uint8_t>();
  frames.pixels.assign(bytes, bytes + image.numel());
  return frames;
}

at::Tensor tensor_of(const io::Frames& frames) {
  return at::tensor(frames.pixels, at::kByte).to(at::kInt);
}

/// Largest difference of a frame after JPEG from the same file read by Pillow.
int difference(const std::string& name, int quality) {
  const io::Frames made = through_jpeg(frames_of(reference().at(name)), quality);
  const at::Tensor expected = reference().at(name + "_" + std::to_string(quality)).to(at::kInt);
  return (tensor_of(made) - expected.flatten()).abs().max().item<int>();
}

TEST(ThroughJpeg, GivesThePixelsThatPillowDoes) {
  for (const int quality : {kPublishedSyntheticQuality, kPublishedRealQuality}) {
    EXPECT_EQ(difference("grey", quality), 0) << quality;
    EXPECT_LE(difference("colour", quality), 1) << quality;
  }
}

TEST(ThroughJpeg, TreatsFramesOneByOne) {
  const io::Frames grey = frames_of(reference().at("grey"));
  io::Frames two = grey;
  two.count = 2;
  two.pixels.insert(two.pixels.end(), grey.pixels.rbegin(), grey.pixels.rend());
  io::Frames turned = grey;
  std::reverse(turned.pixels.begin(), turned.pixels.end());
  const io::Frames made = through_jpeg(two, 95);
  EXPECT_EQ(at::tensor(made.pixels, at::kByte)
                .view({2, -1})[0]
                .equal(at::tensor(through_jpeg(grey, 95).pixels, at::kByte)),
            true);
  EXPECT_EQ(at::tensor(made.pixels, at::kByte)
                .view({2, -1})[1]
                .equal(at::tensor(through_jpeg(turned, 95).pixels, at::kByte)),
            true);
}

TEST(ThroughJpeg, LosesMoreAtTheQualityOfSyntheticFrames) {
  const io::Frames grey = frames_of(reference().at("grey"));
  const auto loss = [&](int quality) {
    const at::Tensor change = tensor_of(through_jpeg(grey, quality)) - tensor_of(grey);
    return change.to(at::kDouble).abs().mean().item<double>();
  };
  EXPECT_GT(loss(kPublishedSyntheticQuality), 3 * loss(kPublishedRealQuality));
}

}  // namespace
}  // namespace echopath::evaluation
