#include "echopath/evaluation/seams.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "echopath/evaluation/video_set.hpp"
#include "evaluation/phantom_video.hpp"

namespace echopath::evaluation {
namespace {

using testing::phantom_video;

SeamFigures measure(const io::Frames& frames, const std::vector<data::FrameRange>& blocks) {
  return measure_seams(frames, data::make_coarse(frames), blocks);
}

/// Frames of one grey level each.
io::Frames even_frames(const std::vector<std::uint8_t>& levels) {
  io::Frames frames;
  frames.height = frames.width = 14;
  for (const std::uint8_t level : levels) {
    frames.pixels.insert(frames.pixels.end(), 14 * 14, level);
    ++frames.count;
  }
  return frames;
}

TEST(Seams, BlocksRepeatTheirContextAndEndWithTheVideo) {
  const auto ranges = block_ranges(116, 32, 4);
  ASSERT_EQ(ranges.size(), 4U);
  EXPECT_EQ(ranges[0].end, 32);
  EXPECT_EQ(ranges[1].begin, 32);
  EXPECT_EQ(ranges[1].end, 60);
  EXPECT_EQ(ranges[3].begin, 88);
  EXPECT_EQ(ranges[3].end, 116);
  EXPECT_EQ(block_ranges(96, 32, 4).size(), 3U) << "what is left of a block is none";
}

TEST(Seams, ChangesAreMeanDifferencesOfGreyLevels) {
  const io::Frames frames = even_frames({10, 12, 14, 24, 26, 28});
  const SeamFigures figures = measure(frames, {{0, 3}, {3, 6}});
  EXPECT_EQ(figures.change_at_seams, 10.0);
  EXPECT_EQ(figures.change_inside, 2.0);
  EXPECT_EQ(figures.change_by_step, std::vector<double>{10.0});
  EXPECT_TRUE(std::isnan(measure(frames, {{0, 6}}).change_at_seams));
  EXPECT_TRUE(measure(frames, {{0, 6}}).change_by_step.empty());
}

TEST(Seams, AFadeCountsWithAllItsSteps) {
  const io::Frames frames = even_frames({10, 12, 14, 19, 26, 30, 32, 34});
  const SeamFigures figures =
      measure_seams(frames, data::make_coarse(frames), {{0, 5}, {5, 8}}, /*fade=*/2);
  EXPECT_DOUBLE_EQ(figures.change_at_seams, 16.0 / 3.0);  // 14 to 19 to 26 to 30
  EXPECT_EQ(figures.change_by_step, (std::vector<double>{5.0, 7.0, 4.0}));
  EXPECT_EQ(figures.change_inside, 2.0);
}

/// Places where the heart moves, and those of them where it turns back.
struct Counts {
  double moving_seams = 0, reversed_seams = 0, moving_inside = 0, reversed_inside = 0;

  void add(const SeamFigures& figures) {
    moving_seams += static_cast<double>(figures.moving_seams);
    reversed_seams += static_cast<double>(figures.reversed_seams);
    moving_inside += static_cast<double>(figures.moving_inside);
    reversed_inside += static_cast<double>(figures.reversed_inside);
  }
};

/// Two phantoms of each class with one seam at every fourth frame in turn, as they are, and running
/// back from the seam on.
class SeamsOfPhantoms : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    for (std::size_t i = 0; i < 8; ++i) {
      const auto video = phantom_video(phantom::class_names()[i % 4], 90 + i, 96);
      for (std::int64_t seam = 24; seam <= 72; seam += 4) {
        std::vector<std::int64_t> back;
        for (std::int64_t t = 0; t < 2 * seam - 1 && t < 96; ++t) {
          back.push_back(t < seam ? t : 2 * seam - 2 - t);
        }
        as_they_are_.add(measure(video.frames, {{0, seam}, {seam, 96}}));
        running_back_.add(measure(select(video.frames, back),
                                  {{0, seam}, {seam, static_cast<std::int64_t>(back.size())}}));
        ++seams_;
      }
    }
  }

  static Counts as_they_are_, running_back_;
  static double seams_;
};

Counts SeamsOfPhantoms::as_they_are_, SeamsOfPhantoms::running_back_;
double SeamsOfPhantoms::seams_ = 0;

TEST_F(SeamsOfPhantoms, HeartsTurnBackNowhereInParticular) {
  EXPECT_NEAR(as_they_are_.moving_seams / seams_, 0.5, 0.15);
  EXPECT_LE(as_they_are_.reversed_seams, 0.05 * as_they_are_.moving_seams);
  EXPECT_LE(as_they_are_.reversed_inside, 0.05 * as_they_are_.moving_inside);
}

TEST_F(SeamsOfPhantoms, VideosThatRunBackFromTheSeamAreSeen) {
  EXPECT_GE(running_back_.reversed_seams, 0.6 * running_back_.moving_seams);
  EXPECT_LE(running_back_.reversed_inside, 0.05 * running_back_.moving_inside);
}

/// The frames, from `last` on blended over two of them with those that run back from it.
io::Frames fading_back(const io::Frames& frames, std::int64_t last) {
  std::vector<std::int64_t> kept;
  for (std::int64_t t = 0; t < frames.count && t <= 2 * last; ++t) kept.push_back(t);
  io::Frames faded = select(frames, kept);
  for (std::int64_t t = last + 1; t < faded.count; ++t) {
    const double weight = std::min(1.0, static_cast<double>(t - last) / 3.0);
    for (std::int64_t i = 0; i < faded.frame_size(); ++i) {
      faded.frame(t)[i] = static_cast<std::uint8_t>(std::lround(
          (1.0 - weight) * frames.frame(t)[i] + weight * frames.frame(2 * last - t)[i]));
    }
  }
  return faded;
}

TEST(Seams, AFadeThatTurnsTheMotionBackIsSeen) {
  Counts back, as_they_are;
  for (std::size_t i = 0; i < 8; ++i) {
    const auto video = phantom_video(phantom::class_names()[i % 4], 90 + i, 96);
    const auto measured = [](const io::Frames& frames, std::int64_t seam) {
      return measure_seams(frames, data::make_coarse(frames), {{0, seam}, {seam, frames.count}},
                           /*fade=*/2);
    };
    for (std::int64_t last = 24; last <= 72; last += 8) {
      back.add(measured(fading_back(video.frames, last), last + 3));
      as_they_are.add(measured(video.frames, last + 3));
    }
  }
  EXPECT_GE(back.moving_seams, 20);
  EXPECT_GE(back.reversed_seams, 0.6 * back.moving_seams);
  EXPECT_LE(as_they_are.reversed_seams, 0.05 * as_they_are.moving_seams);
}

TEST(Seams, AJumpShowsAsAChange) {
  const auto video = phantom_video("ASD", 95, 96);
  std::vector<std::int64_t> whole, jumping;
  for (std::int64_t t = 0; t < 64; ++t) {
    whole.push_back(t);
    jumping.push_back(t < 32 ? t : t + 9);
  }
  const std::vector<data::FrameRange> blocks = {{0, 32}, {32, 64}};
  const SeamFigures even = measure(select(video.frames, whole), blocks);
  const SeamFigures jump = measure(select(video.frames, jumping), blocks);
  EXPECT_LT(even.change_at_seams, 1.2 * even.change_inside);
  EXPECT_GT(jump.change_at_seams, 1.5 * jump.change_inside);
}

TEST(Seams, TraceComparesGivenFramesWithWhatBecameOfThem) {
  // Frame t of block k holds the number 10·k + t everywhere; the second block's first two frames
  // stand for the first one's last two.
  const auto block = [](double start) {
    return (at::arange(4, at::kFloat) + start).view({4, 1, 1, 1}).expand({4, 2, 3, 3}).clone();
  };
  const TraceFigures figures = measure_trace({block(0.0), block(2.5), block(10.0)}, 2);
  ASSERT_EQ(figures.first_frame.size(), 2U);
  EXPECT_DOUBLE_EQ(figures.first_frame[0], 0.5);  // 2.5 beside 2
  EXPECT_DOUBLE_EQ(figures.last_given[0], 0.5);   // 3.5 beside 3
  EXPECT_DOUBLE_EQ(figures.first_frame[1], 5.5);  // 10 beside 4.5
  EXPECT_EQ(figures.steps.size(), 9U);
  for (const double step : figures.steps) EXPECT_DOUBLE_EQ(step, 1.0);
  // Where the last repeated frame is the block's own, the first is the last that it was given.
  const TraceFigures faded = measure_trace({block(0.0), at::pow(block(2.5), 2)}, 2, 1);
  EXPECT_DOUBLE_EQ(faded.last_given[0], 4.25);  // 6.25 beside 2
  // With one given frame, it is the last one that counts.
  EXPECT_DOUBLE_EQ(measure_trace({block(0.0), block(2.5)}, 1).first_frame[0], 0.5);
}

}  // namespace
}  // namespace echopath::evaluation
