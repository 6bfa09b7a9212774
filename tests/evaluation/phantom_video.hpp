#pragma once

#include <cstdint>
#include <string>

#include "echopath/io/frames.hpp"
#include "echopath/phantom/phantom.hpp"

namespace echopath::evaluation::testing {

/// A phantom's frames at 32 per second, its label maps, and what is true of it.
struct PhantomVideo {
  io::Frames frames;
  io::Frames maps;
  phantom::GroundTruth truth;
};

inline PhantomVideo phantom_video(const std::string& class_name, std::uint64_t seed,
                                  std::int64_t count) {
  phantom::Simulator simulator(phantom::sample_patient(class_name, seed));
  PhantomVideo video;
  video.frames.count = count;
  video.frames.height = video.frames.width = phantom::kImageSize;
  video.frames.fps = 32.0;
  video.frames.pixels.resize(static_cast<std::size_t>(count * video.frames.frame_size()));
  video.maps = video.frames;
  for (std::int64_t t = 0; t < count; ++t) {
    simulator.render(static_cast<double>(t) / 32.0, video.frames.frame(t), video.maps.frame(t));
  }
  video.truth = simulator.ground_truth();
  return video;
}

}  // namespace echopath::evaluation::testing
