#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <vector>

#include "echopath/data/heartbeat.hpp"
#include "echopath/io/frames.hpp"

namespace echopath::evaluation {

/// Blocks of a finished video of blocks of n frames, all but the first repeating c: the new frames
/// of each, as far as the video lasts.
std::vector<data::FrameRange> block_ranges(std::int64_t frames, std::int64_t block_length,
                                           std::int64_t context_frames);

/// How a video goes on from block to block. A seam is the step to the first new frame of a block;
/// where blocks fade into each other over f frames, it is f + 1 steps, of which that is the last.
struct SeamFigures {
  double change_at_seams = 0.0;  ///< mean |difference| of grey levels; not a number without seams
  double change_inside = 0.0;    ///< of all other steps
  /// The same at the first, second … step of a seam, f + 1 of them, each over all seams; empty
  /// without seams.
  std::vector<double> change_by_step;
  /// Places where the heart moves, and among them those where it turns back; see measure_seams().
  std::int64_t moving_seams = 0, reversed_seams = 0;
  std::int64_t moving_inside = 0, reversed_inside = 0;
};

/// `fade`: f, the frames over which each block fades into the next one, the last ones before it.
///
/// Motion over two frames of the coarse video, m(t) = x(t) − x(t − 2): before a seam whose first
/// step is to frame b that is m(b − 1), after it m(b + 2), and that step itself is left aside. The
/// heart moves where |m(b − 1)| is at least the video's median, and turns back where, besides, |m(b
/// + 2)| is too and the angle between the two has a cosine below −0.3. Hearts turn at end-systole
/// and end-diastole as well, but slowly: so few places inside blocks count. These are all frames
/// whose comparison touches no seam. A fade hides what it blends: of three frames or more, part of
/// m(b + 2) is still the block before.
SeamFigures measure_seams(const io::Frames& frames, const data::CoarseVideo& coarse,
                          const std::vector<data::FrameRange>& blocks, std::int64_t fade = 0);

/// Latents of the blocks of one video as the sampler drew them, with the frames that they repeat
/// (`echopath sample --trace`): each [n, C, h, w].
struct TraceFigures {
  /// For each block but the first: root mean square difference of its first frame from the frame of
  /// the block before that stands for the same time, which is its reference (the first of its given
  /// frames).
  std::vector<double> first_frame;
  std::vector<double> last_given;  ///< the same of the last given frame, which the new ones follow
  std::vector<double> steps;       ///< of each frame inside a block from the one before it
};

/// `context_frames`: how many frames each block repeats, 1 ≤ c < n; `fade`: how many of them, the
/// last ones, are not given to it, 0 ≤ f < c.
TraceFigures measure_trace(const std::vector<at::Tensor>& blocks, std::int64_t context_frames,
                           std::int64_t fade = 0);

}  // namespace echopath::evaluation
