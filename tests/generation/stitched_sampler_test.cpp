#include "echopath/generation/stitched_sampler.hpp"

#include <gtest/gtest.h>

#include "echopath/core/errors.hpp"
#include "echopath/core/random.hpp"
#include "echopath/diffusion/solver.hpp"
#include "echopath/generation/manifest.hpp"
#include "echopath/generation/sample.hpp"
#include "echopath/io/video.hpp"
#include "echopath/models/heart_cycle.hpp"
#include "echopath/models/padding.hpp"
#include "toy_model.hpp"

namespace echopath::generation {
namespace {

using Labels = std::vector<std::int64_t>;

constexpr std::int64_t kWindow = 6;  // frames, of the toy model
constexpr double kScale = 2.0;       // of guidance

DenoisingOptions two_steps() {
  DenoisingOptions options;
  options.solver.name = "ddpm";
  options.solver.num_inference_steps = 2;
  options.guidance.scale = kScale;
  return options;
}

StitchedSampler sampler(std::int64_t overlap = 0) {
  return StitchedSampler(models::ModelDirectory::open(testing::shared_toy_model()), two_steps(),
                         overlap, at::kCPU);
}

at::Tensor heart(std::uint64_t seed) {
  return normal_tensor({4, testing::kToyLatentSize, testing::kToyLatentSize},
                       {seed, Stream::kDataset, 0, 0});
}

/// Which row of the published code's batch has which label: rows lie in the order [window][video],
/// labels are repeated as torch.repeat_interleave does.
at::Tensor published_rows(const Labels& labels, std::int64_t windows) {
  return at::tensor(labels).repeat_interleave(windows);
}

TEST(PublishedWindowLabels, EarlyWindowsGetTheFirstVideosLabelAndLateOnesTheLast) {
  // Rows (w0 v0), (w0 v1), (w1 v0), (w1 v1), (w2 v0), (w2 v1); labels 0 0 0 1 1 1.
  EXPECT_EQ(published_window_labels({0, 1}, 0, 3), (Labels{0, 0, 1}));
  EXPECT_EQ(published_window_labels({0, 1}, 1, 3), (Labels{0, 1, 1}));
}

TEST(PublishedWindowLabels, AreRepeatInterleaveReadWindowByWindow) {
  const Labels labels = {3, 0, 2, 1};
  const at::Tensor rows = published_rows(labels, 5).view({5, 4});
  for (std::int64_t video = 0; video < 4; ++video) {
    const at::Tensor column = rows.select(1, video).contiguous();
    EXPECT_EQ(published_window_labels(labels, video, 5),
              Labels(column.data_ptr<std::int64_t>(), column.data_ptr<std::int64_t>() + 5));
  }
}

TEST(PublishedWindowLabels, AreRightForOneVideoOneWindowOrOneClass) {
  EXPECT_EQ(published_window_labels({2}, 0, 4), (Labels{2, 2, 2, 2}));
  EXPECT_EQ(published_window_labels({2, 0, 1}, 1, 1), Labels{0});
  EXPECT_EQ(published_window_labels({1, 1, 1}, 2, 3), (Labels{1, 1, 1}));
}

/// Videos as the published code makes them: at every step all windows of all videos are one batch
/// [window][video], row i of which has the i-th of `row_labels`. seeds and hearts are of videos.
/// `phase` [F, K, h, w] stands behind the reference: K = 0 for a network without it.
at::Tensor plain_videos(const fs::path& path, const std::vector<std::uint64_t>& seeds,
                        const at::Tensor& row_labels, std::int64_t windows,
                        const at::Tensor& phase) {
  const torch::NoGradGuard no_grad;
  const auto model = models::ModelDirectory::open(path);
  auto network = model.load_lvdm(at::kCPU);
  auto embedding = model.load_class_embedding("lvdm", at::kCPU);
  const diffusion::NoiseSchedule schedule(model.schedule());
  const auto solver = diffusion::make_solver(schedule, two_steps().solver);
  const std::int64_t half = kWindow / 2;
  std::vector<std::int64_t> shape = {kWindow + half * (windows - 1), 4, testing::kToyLatentSize,
                                     testing::kToyLatentSize};
  const auto noise = [&](Stream stream, std::size_t step) {
    std::vector<at::Tensor> all;
    for (const std::uint64_t seed : seeds) {
      all.push_back(normal_tensor(shape, {seed, stream, 0, static_cast<std::uint32_t>(step)}));
    }
    return at::stack(all);
  };
  std::vector<at::Tensor> hearts;
  for (const std::uint64_t seed : seeds) hearts.push_back(heart(seed));
  at::Tensor x = noise(Stream::kInitialNoise, 0);
  const at::Tensor reference = at::cat(
      {at::stack(hearts).unsqueeze(1).expand_as(x), phase.expand({x.size(0), -1, -1, -1, -1})}, 2);
  for (std::size_t i = 0; i < solver->timesteps().size(); ++i) {
    const at::Tensor input = at::cat({x, reference}, 2);
    std::vector<at::Tensor> cut;
    for (std::int64_t r = 0; r < windows; ++r) {
      cut.push_back(input.slice(1, r * half, r * half + kWindow));
    }
    const auto padded = models::pad_latents(at::cat(cut));
    const auto rows = padded.latents.size(0);
    const auto answer = [&](const at::Tensor& labels) {
      return network->forward(padded.latents, at::full({rows}, solver->timesteps()[i]),
                              embedding->forward(labels), at::full({rows, 1}, model.info().fps));
    };
    const at::Tensor null = answer(at::full({rows}, 2, at::kLong));
    const at::Tensor guided =
        models::unpad_latents(null + kScale * (answer(row_labels) - null), padded);
    std::vector<at::Tensor> kept = guided.chunk(windows);
    for (std::size_t r = 1; r < kept.size(); ++r) kept[r] = kept[r].slice(1, half);
    x = solver->step(at::cat(kept, 1), i, x, [&] { return noise(Stream::kSolverNoise, i); });
  }
  return x;
}

at::Tensor plain_videos(const std::vector<std::uint64_t>& seeds, const at::Tensor& row_labels,
                        std::int64_t windows) {
  const std::int64_t frames = kWindow + kWindow / 2 * (windows - 1);
  return plain_videos(testing::shared_toy_model(), seeds, row_labels, windows,
                      at::zeros({frames, 0, testing::kToyLatentSize, testing::kToyLatentSize}));
}

double largest_difference(const at::Tensor& a, const at::Tensor& b) {
  return ((a - b).abs().max() / b.abs().max()).item<double>();
}

TEST(StitchedSampler, MakesTheVideosOfThePublishedCode) {
  const std::vector<std::uint64_t> seeds = {7, 8};
  const at::Tensor expected = plain_videos(seeds, published_rows({0, 1}, 3), 3);
  const StitchedSampler stitched = sampler();
  for (std::int64_t video = 0; video < 2; ++video) {
    const std::uint64_t seed = seeds[static_cast<std::size_t>(video)];
    const Labels published = published_window_labels({0, 1}, video, 3);
    const at::Tensor made = stitched.sample(heart(seed), published, seed);
    EXPECT_EQ(made.size(0), 12);
    EXPECT_LT(largest_difference(made, expected[video]), 5e-5);
  }
  EXPECT_GT(largest_difference(stitched.sample(heart(8), {1, 1, 1}, 8), expected[1]), 1e-3);
}

TEST(StitchedSampler, WithEachVideosOwnLabelMakesThatOfTheRightOrder) {
  const at::Tensor expected = plain_videos({7, 8}, at::tensor(Labels{0, 1, 0, 1, 0, 1}), 3);
  EXPECT_LT(largest_difference(sampler().sample(heart(8), {1, 1, 1}, 8), expected[1]), 5e-5);
}

TEST(StitchedSampler, ThePhaseOfTheHeartGoesOnFromWindowToWindow) {
  const testing::TemporaryFolder folder;
  testing::ToyModelOptions toy;
  toy.heart_cycle = true;
  testing::write_toy_model(folder / "model", toy);
  const StitchedSampler stitched(models::ModelDirectory::open(folder / "model"), two_steps(), 0,
                                 at::kCPU);
  const models::HeartCycle cycle{70.0, 0.4};
  const at::Tensor phase =
      models::heart_phase(cycle, 32.0, 12, testing::kToyLatentSize, testing::kToyLatentSize);
  const at::Tensor expected =
      plain_videos(folder / "model", {7}, at::tensor(Labels{0, 0, 0}), 3, phase);
  EXPECT_LT(largest_difference(stitched.sample(heart(7), {0, 0, 0}, 7, cycle), expected[0]), 5e-5);
}

TEST(StitchedSampler, OverlapIsHalfAWindowOrAsAsked) {
  EXPECT_EQ(sampler().overlap(), 3);
  const StitchedSampler one = sampler(1);
  EXPECT_EQ(one.overlap(), 1);
  EXPECT_EQ(one.sample(heart(1), {0, 0}, 1).size(0), 6 + 5);
  EXPECT_THROW(sampler(6), UsageError);
}

TEST(StitchedSampler, ReportsEveryWindowOfEveryStep) {
  int windows = 0;
  sampler().sample(heart(1), {0, 0}, 1, {}, [&] { ++windows; });
  EXPECT_EQ(windows, 4);
}

SampleOptions toy_options(const fs::path& out) {
  SampleOptions options;
  options.model = testing::shared_toy_model().string();
  options.out = out.string();
  options.trace = out.string() + ".safetensors";
  options.sampler = "stitched";
  options.seed = 10;
  options.blocks = 2;
  options.solver.num_inference_steps = 2;
  options.device = "cpu";
  return options;
}

TEST(StitchedSample, WritesTheVideoAndSaysHow) {
  const testing::TemporaryFolder folder;
  SampleOptions options = toy_options(folder / "out");
  options.classes = {"ASD"};
  const SampleSummary summary = run_sampling(options);
  EXPECT_EQ(io::read_video(summary.videos.at(0)).count, 9);
  const ManifestEntry entry = read_manifest(folder / "out/manifest.jsonl").at(0);
  EXPECT_EQ(entry.sampler, "stitched");
  EXPECT_EQ(entry.anchor, "none");
  EXPECT_EQ(entry.blocks, 2);
  EXPECT_EQ(entry.block_length, 6);
  EXPECT_EQ(entry.context_frames, 3);
  EXPECT_EQ(entry.frames, 9);
  EXPECT_TRUE(entry.filtered);
  const io::TensorMap trace = io::load_safetensors(options.trace);
  ASSERT_EQ(trace.size(), 1U);
  EXPECT_EQ(trace.at("ASD_000010/video").sizes(), at::IntArrayRef({9, 4, 14, 14}));
}

// In the published order too, whose labels come from a batch that is taken as full.
TEST(StitchedSample, SeedGivesTheSameVideoAtAnyCountAndAfterResuming) {
  const testing::TemporaryFolder folder;
  SampleOptions options = toy_options(folder / "one");
  options.compatibility.stitch_labels = "published";
  options.solver.num_inference_steps = 1;
  options.also = {"latents"};
  options.trace.clear();
  run_sampling(options);
  options.resume = true;
  options.count = 2;
  EXPECT_EQ(run_sampling(options).made, 2);
  options.resume = false;
  options.out = folder / "two";
  EXPECT_EQ(run_sampling(options).made, 4);
  for (const auto& item : fs::directory_iterator(folder / "two/Latents")) {
    const fs::path resumed = folder / "one/Latents" / item.path().filename();
    EXPECT_EQ(sha256_file(item.path()), sha256_file(resumed)) << resumed;
  }
}

// Two videos of two windows each, ASD and Non-ASD: the published order gives both the first window
// as ASD and the second as Non-ASD.
TEST(CompatibilityStitch, PublishedOrderMixesTheLabelsOfABatch) {
  const testing::TemporaryFolder folder;
  const auto latents = [&](const std::string& order, const std::vector<std::string>& classes) {
    SampleOptions options = toy_options(folder / (order + std::to_string(classes.size())));
    options.classes = classes;
    options.published_batch = 2;
    options.compatibility.stitch_labels = order;
    run_sampling(options);
    return io::load_safetensors(options.trace);
  };
  const io::TensorMap right = latents("video", {"ASD", "Non-ASD"});
  const io::TensorMap published = latents("published", {"ASD", "Non-ASD"});
  const at::Tensor asd = published.at("ASD_000010/video");
  const at::Tensor right_asd = right.at("ASD_000010/video");
  EXPECT_TRUE(at::equal(asd.slice(0, 0, kWindow), right_asd.slice(0, 0, kWindow)));
  EXPECT_GT(largest_difference(asd.slice(0, kWindow), right_asd.slice(0, kWindow)), 1e-3);
  const at::Tensor other = published.at("Non-ASD_000011/video");
  const at::Tensor right_other = right.at("Non-ASD_000011/video");
  EXPECT_GT(largest_difference(other.slice(0, 0, kWindow), right_other.slice(0, 0, kWindow)), 1e-3);
  // A batch of one class has nothing to mix.
  EXPECT_TRUE(at::equal(latents("published", {"ASD"}).at("ASD_000010/video"), right_asd));
}

}  // namespace
}  // namespace echopath::generation
