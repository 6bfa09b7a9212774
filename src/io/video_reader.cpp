#include <algorithm>
#include <limits>

#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "echopath/core/logging.hpp"
#include "echopath/io/video.hpp"
#include "io/video_frames.hpp"
#include "io/video_times.hpp"

namespace echopath::io {
namespace {

/// Containers that may be opened. Playlists are not among them: they name other files.
constexpr const char* kContainers =
    "avi,mov,mp4,gif,matroska,webm,asf,mpeg,mpegts,mpegvideo,flv,ogg,dv";
/// Pixels of one frame; a damaged header can ask for more.
constexpr std::int64_t kMaxPixels = std::int64_t{1} << 26;

struct InputDeleter {
  void operator()(AVFormatContext* p) const { avformat_close_input(&p); }
};
using InputPtr = std::unique_ptr<AVFormatContext, InputDeleter>;

InputPtr open_input(const fs::path& path) {
  require_file(path, "video");
  if (fs::file_size(path) == 0) throw DataError("video '" + path.string() + "' is an empty file");
  AVDictionary* options = nullptr;
  av_dict_set(&options, "format_whitelist", kContainers, 0);
  AVFormatContext* raw = nullptr;
  int code = avformat_open_input(&raw, libav_url(path).c_str(), nullptr, &options);
  av_dict_free(&options);
  if (code == AVERROR(EINVAL)) {
    throw DataError(
        "video '" + path.string() +
        "' is no video file that can be read here (AVI, MP4, MOV, GIF, MKV, WMV, MPEG)");
  }
  if (code < 0) {
    throw DataError("video '" + path.string() + "' cannot be opened: " + libav_reason(code));
  }
  InputPtr input(raw);
  code = avformat_find_stream_info(input.get(), nullptr);
  if (code < 0) {
    throw DataError("video '" + path.string() + "' cannot be read: " + libav_reason(code));
  }
  return input;
}

CodecContextPtr open_decoder(const AVStream& stream, const std::string& name) {
  const AVCodec* codec = avcodec_find_decoder(stream.codecpar->codec_id);
  if (codec == nullptr) {
    throw DataError("video '" + name + "' has a codec that FFmpeg cannot decode: " +
                    avcodec_get_name(stream.codecpar->codec_id));
  }
  CodecContextPtr context(avcodec_alloc_context3(codec));
  int code = avcodec_parameters_to_context(context.get(), stream.codecpar);
  context->thread_count = 1;
  context->max_pixels = kMaxPixels;
  if (code >= 0) code = avcodec_open2(context.get(), codec, nullptr);
  if (code < 0) throw DataError("video '" + name + "' cannot be decoded: " + libav_reason(code));
  return context;
}

/// Decodes one stream of an opened file.
class Decoding {
 public:
  /// `wanted`: numbers of the frames to keep, ascending; null: all.
  Decoding(AVFormatContext& input, AVStream& stream, TimedVideo& video, int channels,
           const std::string& name, const std::vector<std::int64_t>* wanted = nullptr)
      : input_(input),
        stream_(stream),
        video_(video),
        frames_(video.frames),
        name_(name),
        wanted_(wanted),
        decoder_(open_decoder(stream, name)),
        collector_(video.frames, channels, name) {}

  void run() {
    const PacketPtr packet(av_packet_alloc());
    int code = 0;
    while ((code = av_read_frame(&input_, packet.get())) >= 0) {
      if (packet->stream_index == stream_.index) {
        if ((packet->flags & AV_PKT_FLAG_CORRUPT) != 0) refuse("the file is cut short");
        decode(packet.get());
      }
      av_packet_unref(packet.get());
    }
    if (code != AVERROR_EOF) refuse(libav_reason(code));
    decode(nullptr);
    if (decoded_ == 0) throw DataError("video '" + name_ + "' has no frames");
    if (decoded_ < stream_.nb_frames) {
      log_warning("video '" + name_ + "' states " + std::to_string(stream_.nb_frames) +
                  " frames, " + std::to_string(decoded_) + " can be read");
    }
    set_times();
  }

 private:
  [[noreturn]] void refuse(const std::string& reason) const {
    throw DataError("video '" + name_ + "' is damaged in or after frame " +
                    std::to_string(decoded_ + 1) + ": " + reason +
                    "; copy the file again or take it out");
  }

  /// Hands a packet (null: flush) to the decoder and collects what comes out.
  void decode(const AVPacket* packet) {
    int code = avcodec_send_packet(decoder_.get(), packet);
    while (code >= 0) {
      code = avcodec_receive_frame(decoder_.get(), frame_.get());
      if (code < 0) break;
      if ((frame_->flags & AV_FRAME_FLAG_CORRUPT) != 0 || frame_->decode_error_flags != 0) {
        refuse("a frame cannot be decoded whole");
      }
      // FFV1's decoder reports a checksum that does not match, and hides the damage.
      if (decoder_->codec_id == AV_CODEC_ID_FFV1 && !LibavMessages::first_error().empty()) {
        refuse(LibavMessages::first_error());
      }
      seconds_.push_back(seconds_of(frame_->best_effort_timestamp));
      if (wanted_ == nullptr || std::binary_search(wanted_->begin(), wanted_->end(), decoded_)) {
        collector_.add(*frame_);
      }
      ++decoded_;
      av_frame_unref(frame_.get());
    }
    if (code != AVERROR(EAGAIN) && code != AVERROR_EOF) refuse(libav_reason(code));
  }

  double seconds_of(std::int64_t timestamp) const {
    return timestamp == AV_NOPTS_VALUE ? std::numeric_limits<double>::quiet_NaN()
                                       : static_cast<double>(timestamp) * av_q2d(stream_.time_base);
  }

  void set_times() {
    const AVRational rate = stream_.avg_frame_rate;
    const double stated_fps = rate.num > 0 && rate.den > 0 ? av_q2d(rate) : 0.0;
    FrameTimes times = settle_times(std::move(seconds_), av_q2d(stream_.time_base), stated_fps);
    frames_.fps = times.fps;
    video_.frame_seconds = std::move(times.seconds);
  }

  AVFormatContext& input_;
  AVStream& stream_;
  TimedVideo& video_;
  Frames& frames_;
  std::string name_;
  const std::vector<std::int64_t>* wanted_;
  std::int64_t decoded_ = 0;
  CodecContextPtr decoder_;
  FrameCollector collector_;
  FramePtr frame_{av_frame_alloc()};
  std::vector<double> seconds_;  ///< time of each frame, NaN where it has none
};

TimedVideo decode_file(const fs::path& path, int channels,
                       const std::vector<std::int64_t>* wanted) {
  const LibavMessages messages;
  const InputPtr input = open_input(path);
  const int index = av_find_best_stream(input.get(), AVMEDIA_TYPE_VIDEO, -1, -1, nullptr, 0);
  if (index < 0) throw DataError("video '" + path.string() + "' has no video stream");
  TimedVideo video;
  Decoding(*input, *input->streams[index], video, channels, path.string(), wanted).run();
  return video;
}

}  // namespace

TimedVideo read_timed_video(const std::filesystem::path& path, int channels) {
  return decode_file(path, channels, nullptr);
}

Frames read_video_frames(const std::filesystem::path& path,
                         const std::vector<std::int64_t>& numbers, int channels) {
  Frames frames = decode_file(path, channels, &numbers).frames;
  if (frames.count == static_cast<std::int64_t>(numbers.size())) return frames;
  throw DataError("video '" + path.string() + "' has no frame " + std::to_string(numbers.back()) +
                  "; its frames are counted from 0");
}

Frames read_video(const std::filesystem::path& path, int channels) {
  return read_timed_video(path, channels).frames;
}

std::map<std::string, std::string> read_video_metadata(const std::filesystem::path& path) {
  const LibavMessages messages;
  const InputPtr input = open_input(path);
  std::map<std::string, std::string> metadata;
  const AVDictionaryEntry* entry = nullptr;
  while ((entry = av_dict_get(input->metadata, "", entry, AV_DICT_IGNORE_SUFFIX)) != nullptr) {
    metadata[entry->key] = entry->value;
  }
  return metadata;
}

}  // namespace echopath::io
