#include "echopath/generation/codec.hpp"

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

/// Whether a latent file is whole and made by this encoder. A damaged one counts as absent.
bool latents_complete(const fs::path& path, const data::Study& study,
                      const std::string& encoder_hash) {
  if (!fs::is_regular_file(path)) return false;
  try {
    const io::SafetensorsFile file(path);
    const auto hash = file.metadata().find("encoder_hash");
    return hash != file.metadata().end() && hash->second == encoder_hash && file.contains("mean") &&
           file.contains("logvar") && file.shape("mean").at(0) == study.number_of_frames;
  } catch (const DataError&) {
    return false;
  }
}

data::LatentVideo encode_study(const data::Dataset& dataset, const data::Study& study,
                               const FrameCodec& codec,
                               const std::function<void(std::int64_t)>& on_frames) {
  const io::Frames frames = dataset.load(study);
  try {
    return codec.encode(frames, on_frames);
  } catch (const DataError& error) {
    throw DataError(dataset.video_path(study).string() + ": " + error.what());
  }
}

/// Whether a decoded video is there with the tag of this decoding.
bool video_complete(const fs::path& path, const std::string& comment) {
  if (!fs::is_regular_file(path)) return false;
  try {
    const auto tags = io::read_video_metadata(path);
    const auto tag = tags.find("comment");
    return tag != tags.end() && tag->second == comment;
  } catch (const DataError&) {
    return false;
  }
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
  const data::Dataset dataset = data::Dataset::open(options.data);
  const models::ModelDirectory model = models::ModelDirectory::open(options.model);
  model.require({"vae"});
  const at::Device device = parse_device(options.device);
  models::AutoencoderKL vae = model.load_vae(device);
  const double scaling_factor = vae->config().scaling_factor;
  const std::string encoder_hash = models::encoder_hash(vae);
  const FrameCodec codec(vae, device, options.batch_size);
  const std::string resumable = "encoding stopped; run the same command again to go on";

  CodecSummary summary;
  std::vector<data::Study> studies = dataset.studies();
  Progress progress("encoding", total_frames(studies));
  std::int64_t done = 0;
  for (data::Study& study : studies) {
    const fs::path file = fs::path(options.out) / "Latents" / (study.stem() + ".safetensors");
    if (latents_complete(file, study, encoder_hash)) {
      ++summary.skipped;
      done += study.number_of_frames;
      progress.update(done, study.stem());
      continue;
    }
    const data::LatentVideo latents = encode_study(dataset, study, codec, [&](std::int64_t frames) {
      progress.update(done + frames, study.stem());
      throw_if_interrupted(resumable);
    });
    // The list may state another count than the video holds; the latents follow the video.
    study.number_of_frames = latents.mean.size(0);
    data::write_latents(options.out, study, latents, scaling_factor, encoder_hash);
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
  const data::LatentDataset dataset = data::LatentDataset::open(options.latents);
  const models::ModelDirectory model = models::ModelDirectory::open(options.model);
  const at::Device device = parse_device(options.device);
  models::AutoencoderKL vae = model.load_vae(device);
  if (!dataset.encoder_hash().empty() && dataset.encoder_hash() != models::encoder_hash(vae)) {
    throw DataError("the latents in '" + options.latents + "' were made by another VAE than '" +
                    options.model + "'; decode them with the model that encoded them");
  }
  const FrameCodec codec(vae, device, options.batch_size);
  const std::string extension = options.codec == "h264" ? ".mp4" : ".avi";
  const std::string comment = "decoded by echopath, VAE " + model.component_hash("vae");

  CodecSummary summary;
  std::vector<data::Study> studies = dataset.studies();
  Progress progress("decoding", total_frames(studies));
  std::int64_t done = 0;
  for (data::Study& study : studies) {
    const fs::path file = fs::path(options.out) / "Videos" / (study.stem() + extension);
    const data::LatentVideo latents = dataset.load(study);
    study.file_name = study.stem() + extension;
    study.number_of_frames = latents.mean.size(0);
    study.frame_height = latents.mean.size(2) * codec.factor();
    study.frame_width = latents.mean.size(3) * codec.factor();
    if (video_complete(file, comment)) {
      ++summary.skipped;
      done += study.number_of_frames;
      continue;
    }
    io::VideoWriterOptions writer_options;
    writer_options.codec = options.codec;
    writer_options.width = study.frame_width;
    writer_options.height = study.frame_height;
    if (study.fps > 0) writer_options.fps = study.fps;
    writer_options.metadata = {{"title", study.stem()}, {"comment", comment}};
    io::VideoWriter writer(file, writer_options);
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
  data::write_file_list(fs::path(options.out) / "FileList.csv", studies);
  return summary;
}

}  // namespace echopath::generation
