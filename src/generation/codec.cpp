#include "echopath/generation/codec.hpp"

#include <functional>
#include <numeric>
#include <optional>

#include "echopath/core/device.hpp"
#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "echopath/core/interrupt.hpp"
#include "echopath/core/progress.hpp"
#include "echopath/data/dataset.hpp"
#include "echopath/data/latent_dataset.hpp"
#include "echopath/generation/frame_codec.hpp"
#include "echopath/io/safetensors.hpp"
#include "echopath/io/video.hpp"
#include "echopath/models/model_directory.hpp"

namespace echopath::generation {
namespace {

std::int64_t total_frames(const std::vector<data::Study>& studies) {
  return std::accumulate(studies.begin(), studies.end(), std::int64_t{0},
                         [](std::int64_t sum, const auto& s) { return sum + s.number_of_frames; });
}

/// Whether something is there; where that cannot be told, writing will say why.
bool is_there(const fs::path& path) {
  std::error_code unknown;
  return fs::exists(path, unknown);
}

/// Takes the folders of an output away again where nothing came to lie in them.
class NewFolders {
 public:
  /// The folders `out` and `out`/`inner`, as far as they are not there yet.
  NewFolders(const fs::path& out, const std::string& inner) {
    for (const fs::path& folder : {out / inner, out}) {
      if (!is_there(folder)) absent_.push_back(folder);
    }
  }
  ~NewFolders() {
    std::error_code not_empty;
    for (const fs::path& folder : absent_) fs::remove(folder, not_empty);
  }
  NewFolders(const NewFolders&) = delete;
  NewFolders& operator=(const NewFolders&) = delete;

 private:
  std::vector<fs::path> absent_;
};

/// Refuses the first video of another size than the first one has.
class OneSize {
 public:
  void require(const fs::path& video, std::int64_t height, std::int64_t width) {
    if (video_.empty()) {
      video_ = video;
      height_ = height;
      width_ = width;
    } else if (height != height_ || width != width_) {
      throw DataError("video '" + video.string() + "' has frames of " + std::to_string(width) +
                      "x" + std::to_string(height) + ", '" + video_.string() + "' of " +
                      std::to_string(width_) + "x" + std::to_string(height_) +
                      "; bring them to one size with `echopath import --size N`");
    }
  }

 private:
  fs::path video_;
  std::int64_t height_ = 0;
  std::int64_t width_ = 0;
};

/// A dataset's list must not be replaced by that of its latents.
void require_no_dataset(const fs::path& out) {
  if (!is_there(out / "FileList.csv") || is_there(out / "Latents")) return;
  throw UsageError("--out '" + out.string() +
                   "' holds a FileList.csv without Latents/; choose another --out");
}

/// The shape of the means in a latent file that is whole and was made as `metadata` says; nothing
/// else. A damaged file counts as absent.
std::optional<std::vector<std::int64_t>> complete_latents(const fs::path& path,
                                                          const io::Metadata& metadata) {
  if (!is_there(path)) return std::nullopt;
  try {
    const io::SafetensorsFile file(path);
    if (file.metadata() != metadata || !file.contains("logvar")) return std::nullopt;
    std::vector<std::int64_t> shape = file.shape("mean");
    return shape.size() == 4 ? std::optional(std::move(shape)) : std::nullopt;
  } catch (const DataError&) {
    return std::nullopt;
  }
}

data::LatentVideo encode_frames(const fs::path& video, const io::Frames& frames,
                                const FrameCodec& codec,
                                const std::function<void(std::int64_t)>& on_frames) {
  try {
    return codec.encode(frames, on_frames);
  } catch (const DataError& error) {
    throw DataError(video.string() + ": " + error.what());
  }
}

/// What the comment of every decoded video begins with.
constexpr const char* kDecodedMark = "decoded by echopath";

/// The comment of a video; empty where it has none or cannot be read.
std::string comment_of(const fs::path& video) {
  try {
    const auto tags = io::read_video_metadata(video);
    const auto tag = tags.find("comment");
    return tag == tags.end() ? "" : tag->second;
  } catch (const DataError&) {
    return "";
  }
}

void require_decoded(const fs::path& video, const fs::path& out) {
  if (comment_of(video).starts_with(kDecodedMark)) return;
  throw UsageError("--out '" + out.string() + "' holds '" + video.string() +
                   "', which decode did not make or which is damaged; choose another --out, or "
                   "remove it");
}

/// Refuses an output folder with videos, or the list of videos, that decode did not make: they
/// would be replaced.
void require_own_output(const fs::path& out, const std::vector<fs::path>& targets) {
  for (const fs::path& target : targets) {
    if (is_there(target)) require_decoded(target, out);
  }
  if (!is_there(out / "FileList.csv")) return;
  const data::Dataset listed = data::Dataset::open(out, /*check_videos=*/false);
  bool any = false;
  for (const data::Study& study : listed.studies()) {
    const fs::path video = listed.video_path(study);
    if (video.empty()) continue;
    require_decoded(video, out);
    any = true;
  }
  if (any) return;
  throw UsageError("--out '" + out.string() +
                   "' holds a FileList.csv without its videos; choose another --out, or remove it");
}

io::VideoWriterOptions writer_options_of(const data::Study& study, const std::string& codec,
                                         const std::string& comment) {
  io::VideoWriterOptions options;
  options.codec = codec;
  options.width = study.frame_width;
  options.height = study.frame_height;
  if (study.fps > 0) options.fps = study.fps;
  options.metadata = {{"title", study.stem()}, {"comment", comment}};
  return options;
}

}  // namespace

void EncodeOptions::visit(config::Visitor& v) {
  v.text("data", data, "dataset directory");
  v.text("model", model, "model directory with vae/");
  v.text("out", out, "latents directory to write");
  v.integer("batch_size", batch_size, {1, 100000}, "frames encoded at once");
}

void DecodeOptions::visit(config::Visitor& v) {
  v.text("latents", latents, "latents directory");
  v.text("model", model, "model directory with vae/");
  v.text("out", out, "dataset directory to write");
  v.choice("codec", codec, {"ffv1", "h264"}, "lossless FFV1 AVI, or H.264 MP4");
  v.integer("batch_size", batch_size, {1, 100000}, "frames decoded at once");
}

CodecSummary encode_dataset(const EncodeOptions& options) {
  if (options.out.empty()) throw UsageError("name a latents directory with --out");
  require_no_dataset(options.out);
  const data::Dataset dataset = data::Dataset::open(options.data);
  const models::ModelDirectory model = models::ModelDirectory::open(options.model);
  model.require({"vae"});
  const at::Device device = parse_device(options.device);
  models::AutoencoderKL vae = model.load_vae(device);
  const double scaling_factor = vae->config().scaling_factor;
  const std::string encoder_hash = models::encoder_hash(vae);
  const FrameCodec codec(vae, device, options.batch_size);

  const NewFolders folders(options.out, "Latents");
  CodecSummary summary;
  OneSize size;
  std::vector<data::Study> studies = dataset.studies();
  Progress progress("encoding", total_frames(studies));
  std::int64_t done = 0;
  for (data::Study& study : studies) {
    const fs::path video = dataset.video_path(study);
    const fs::path file = fs::path(options.out) / "Latents" / (study.stem() + ".safetensors");
    const std::string video_sha256 = sha256_file(video);
    // The list may state another count than the video holds; the latents follow the video.
    if (const auto shape = complete_latents(
            file, data::latent_metadata(scaling_factor, encoder_hash, video_sha256))) {
      size.require(video, shape->at(2) * codec.factor(), shape->at(3) * codec.factor());
      study.number_of_frames = shape->at(0);
      ++summary.skipped;
      done += study.number_of_frames;
      progress.update(done, study.stem());
      continue;
    }
    const io::Frames frames = dataset.load(study);
    size.require(video, frames.height, frames.width);
    const auto on_frames = [&](std::int64_t count) {
      progress.update(done + count, study.stem());
      throw_if_interrupted("encoding stopped; run the same command again to go on");
    };
    const data::LatentVideo latents = encode_frames(video, frames, codec, on_frames);
    study.number_of_frames = frames.count;
    data::write_latents(options.out, study, latents, scaling_factor, encoder_hash, video_sha256);
    ++summary.videos;
    summary.frames += study.number_of_frames;
    done += study.number_of_frames;
  }
  progress.finish();
  data::write_file_list(fs::path(options.out) / "FileList.csv", studies);
  return summary;
}

CodecSummary decode_latents(const DecodeOptions& options) {
  if (options.out.empty()) throw UsageError("name a dataset directory with --out");
  const fs::path out = options.out;
  const data::LatentDataset dataset = data::LatentDataset::open(options.latents);
  std::vector<data::Study> studies = dataset.studies();
  const std::string extension = options.codec == "h264" ? ".mp4" : ".avi";
  std::vector<fs::path> targets;
  for (const data::Study& study : studies) {
    targets.push_back(out / "Videos" / (study.stem() + extension));
  }
  require_own_output(out, targets);
  const models::ModelDirectory model = models::ModelDirectory::open(options.model);
  const at::Device device = parse_device(options.device);
  models::AutoencoderKL vae = model.load_vae(device);
  if (!dataset.encoder_hash().empty() && dataset.encoder_hash() != models::encoder_hash(vae)) {
    throw DataError("the latents in '" + options.latents + "' were made by another VAE than '" +
                    options.model + "'; decode them with the model that encoded them");
  }
  const FrameCodec codec(vae, device, options.batch_size);
  const std::string mark = std::string(kDecodedMark) + ", VAE " + model.component_hash("vae");

  const NewFolders folders(out, "Videos");
  CodecSummary summary;
  Progress progress("decoding", total_frames(studies));
  std::int64_t done = 0;
  for (std::size_t i = 0; i < studies.size(); ++i) {
    data::Study& study = studies[i];
    const data::LatentVideo latents = dataset.load(study);
    const std::string comment = mark + ", latents " + sha256_file(dataset.latent_path(study));
    study.file_name = study.stem() + extension;
    study.number_of_frames = latents.mean.size(0);
    study.frame_height = latents.mean.size(2) * codec.factor();
    study.frame_width = latents.mean.size(3) * codec.factor();
    if (is_there(targets[i]) && comment_of(targets[i]) == comment) {
      ++summary.skipped;
      done += study.number_of_frames;
      continue;
    }
    io::VideoWriter writer(targets[i], writer_options_of(study, options.codec, comment));
    codec.decode(latents.mean, [&](const std::uint8_t* frame) {
      writer.write(frame);
      progress.update(++done, study.stem());
      throw_if_interrupted("decoding stopped; run the same command again to go on");
    });
    writer.finish();
    ++summary.videos;
    summary.frames += study.number_of_frames;
  }
  progress.finish();
  data::write_file_list(out / "FileList.csv", studies);
  return summary;
}

}  // namespace echopath::generation
