#include "echopath/evaluation/latent_reader.hpp"

#include <algorithm>

#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "echopath/core/logging.hpp"
#include "echopath/data/fingerprint.hpp"
#include "echopath/generation/manifest.hpp"
#include "evaluation/warnings.hpp"

namespace echopath::evaluation {
namespace {

/// The frames of a video, each once, in rising order.
io::Frames picked(const io::Frames& frames, const std::vector<std::int64_t>& numbers) {
  io::Frames some = frames;
  some.count = static_cast<std::int64_t>(numbers.size());
  some.pixels.clear();
  for (const std::int64_t number : numbers) {
    some.pixels.insert(some.pixels.end(), frames.frame(number),
                       frames.frame(number) + frames.frame_size());
  }
  return some;
}

/// Position of every entry of `numbers` in the sorted list `distinct`.
at::Tensor places_in(const std::vector<std::int64_t>& distinct,
                     const std::vector<std::int64_t>& numbers) {
  std::vector<std::int64_t> places;
  for (const std::int64_t number : numbers) {
    places.push_back(std::lower_bound(distinct.begin(), distinct.end(), number) - distinct.begin());
  }
  return at::tensor(places, at::kLong);
}

}  // namespace

FrameChoice spread_frames(std::int64_t count) {
  return [count](std::int64_t available, double) {
    const std::int64_t taken = std::min(count, available);
    std::vector<std::int64_t> frames;
    for (std::int64_t i = 0; i < taken; ++i) frames.push_back(i * available / taken);
    return frames;
  };
}

LatentReader LatentReader::open(const std::filesystem::path& directory,
                                const models::ModelDirectory& model, at::Device device) {
  require_directory(directory, "directory of videos or latents");
  LatentReader reader;
  reader.directory_ = directory;
  if (fs::is_directory(directory / "Latents")) {
    reader.latents_ = data::LatentDataset::open(directory);
    const std::string& hash = reader.latents_->encoder_hash();
    if (!hash.empty() && model.has("vae") && hash != model.encoder_hash()) {
      throw DataError("the latents in '" + directory.string() +
                      "' were made by another VAE than '" + model.path().string() +
                      "' has; encode the videos with this model");
    }
    return reader;
  }
  reader.videos_ = data::Dataset::open(directory);
  model.require({"vae"});
  reader.codec_ = std::make_shared<generation::FrameCodec>(model.load_vae(device), device);
  return reader;
}

const std::vector<data::Study>& LatentReader::studies() const {
  return latents_ ? latents_->studies() : videos_->studies();
}

fs::path LatentReader::path_of(const data::Study& study) const {
  return latents_ ? latents_->latent_path(study) : videos_->video_path(study);
}

at::Tensor LatentReader::load(const data::Study& study, const FrameChoice& choice) const {
  at::Tensor chosen;
  if (latents_) {
    const at::Tensor mean = latents_->load(study).mean;
    chosen = mean.index_select(0, at::tensor(choice(mean.size(0), study.fps), at::kLong));
  } else {
    const io::Frames frames = videos_->load(study);
    const std::vector<std::int64_t> numbers = choice(frames.count, study.fps);
    std::vector<std::int64_t> distinct = numbers;
    std::sort(distinct.begin(), distinct.end());
    distinct.erase(std::unique(distinct.begin(), distinct.end()), distinct.end());
    try {
      chosen = codec_->encode(picked(frames, distinct))
                   .mean.index_select(0, places_in(distinct, numbers));
    } catch (const DataError& error) {
      throw DataError(path_of(study).string() + ": " + error.what());
    }
  }
  if (!at::isfinite(chosen).all().item<bool>()) {
    throw DataError(path_of(study).string() +
                    ": its latents are not all finite numbers; encode it again");
  }
  return chosen.to(at::kFloat);
}

std::vector<std::string> warn_of_confused_directories(const fs::path& real,
                                                      const fs::path& synthetic) {
  std::error_code unknown;
  const std::string names =
      "--real '" + real.string() + "' and --synthetic '" + synthetic.string() + "'";
  std::vector<std::string> warnings;
  if (fs::equivalent(real, synthetic, unknown)) {
    warn(warnings, names + " are one directory: what follows compares it with itself");
    return warnings;
  }
  if (data::fingerprint(real) == data::fingerprint(synthetic)) {
    warn(warnings, names + " hold the same files: what follows compares a set with its copy");
  }
  if (fs::exists(real / generation::kManifest, unknown) &&
      !fs::exists(synthetic / generation::kManifest, unknown)) {
    warn(warnings,
         names + " look swapped: only the first has a manifest.jsonl, as sampled videos do");
  }
  return warnings;
}

}  // namespace echopath::evaluation
