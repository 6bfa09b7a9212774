#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>
#include <vector>

#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "echopath/core/text.hpp"
#include "echopath/io/video.hpp"
#include "io/disk_full.hpp"
#include "io/libav.hpp"
#include "io/luma.hpp"

namespace echopath::io {
namespace {

constexpr std::int64_t kMaxSide = 16384;
constexpr double kMaxFps = 1000.0;

struct OutputDeleter {
  void operator()(AVFormatContext* p) const {
    avio_closep(&p->pb);
    avformat_free_context(p);
  }
};
using OutputPtr = std::unique_ptr<AVFormatContext, OutputDeleter>;

/// What a codec name stands for.
struct Format {
  const char* container;
  const char* encoder;
  AVPixelFormat grey;
  AVPixelFormat colour;
};

Format format_of(const std::string& codec) {
  // H.264 players want 4:2:0. FFV1 keeps every byte. GIF has an exact palette of 256 greys, and a
  // fixed one of 256 colours.
  if (codec == "h264") return {"mp4", "libx264", AV_PIX_FMT_YUV420P, AV_PIX_FMT_YUV420P};
  if (codec == "ffv1") return {"avi", "ffv1", AV_PIX_FMT_GRAY8, AV_PIX_FMT_BGR0};
  if (codec == "gif") return {"gif", "gif", AV_PIX_FMT_GRAY8, AV_PIX_FMT_RGB8};
  throw UsageError("video codec '" + codec + "' is unknown; use h264, ffv1 or gif");
}

void check_options(const fs::path& path, const VideoWriterOptions& options) {
  const auto [low, high] = std::minmax(options.width, options.height);
  if (low < 1 || high > kMaxSide) {
    throw UsageError("video '" + path.string() + "': a size of " + std::to_string(options.width) +
                     "×" + std::to_string(options.height) + " is not possible; sides are 1 to " +
                     std::to_string(kMaxSide));
  }
  if (!(options.fps > 0.0 && options.fps <= kMaxFps)) {
    throw UsageError("video '" + path.string() +
                     "': the frame rate must be above 0 and at most 1000");
  }
  if (options.channels != 1 && options.channels != 3) {
    throw UsageError("video '" + path.string() + "': frames have 1 or 3 channels");
  }
}

/// Puts a comment extension before a GIF's trailer: FFmpeg reads these, and writes none.
void add_gif_comment(const fs::path& temporary, const std::string& name,
                     const std::string& comment) {
  constexpr char kTrailer = ';';
  constexpr std::size_t kLongestPart = 255;
  std::fstream file(temporary, std::ios::binary | std::ios::in | std::ios::out);
  char last = 0;
  file.seekg(-1, std::ios::end).get(last);
  if (!file || last != kTrailer) {
    throw DataError("video '" + name + "': FFmpeg wrote no whole GIF");
  }
  std::string extension = "!\xFE";
  for (std::size_t begin = 0; begin < comment.size(); begin += kLongestPart) {
    const std::string part = comment.substr(begin, kLongestPart);
    extension += static_cast<char>(part.size()) + part;
  }
  extension += '\0';
  extension += kTrailer;
  file.seekp(-1, std::ios::end);
  file.write(extension.data(), static_cast<std::streamsize>(extension.size()));
  if (!file.flush()) throw DataError("video '" + name + "': writing the comment failed");
}

}  // namespace

struct VideoWriter::Impl {
  Impl(const fs::path& final_path, const VideoWriterOptions& writer_options)
      : options(writer_options), file(final_path), name(final_path.string()) {}

  void check(int code, const char* what) const {
    if (code < 0) {
      throw DataError("video '" + name + "': " + what + " failed: " + libav_reason(code) +
                      disk_full_remedy(AVUNERROR(code)));
    }
  }
  void open();
  void open_container(const Format& format);
  void open_encoder(const Format& format);
  void prepare_frame();
  void fill_grey(const std::uint8_t* pixels);
  void fill_colour(const std::uint8_t* pixels);
  void encode(const AVFrame* frame_or_null);

  VideoWriterOptions options;
  AtomicFile file;
  std::string name;
  OutputPtr output;
  AVStream* stream = nullptr;
  CodecContextPtr encoder;
  FramePtr frame{av_frame_alloc()};
  PacketPtr packet{av_packet_alloc()};
  ScalerPtr scaler;
  ByteTable levels{};
  std::int64_t written = 0;
};

void VideoWriter::Impl::open_container(const Format& format) {
  AVFormatContext* raw = nullptr;
  const std::string url = libav_url(file.temporary_path());
  check(avformat_alloc_output_context2(&raw, nullptr, format.container, url.c_str()),
        "opening the container");
  output.reset(raw);
  output->flags |= AVFMT_FLAG_BITEXACT;
  for (const auto& [key, value] : options.metadata) {
    av_dict_set(&output->metadata, key.c_str(), value.c_str(), 0);
  }
  check(avio_open(&output->pb, url.c_str(), AVIO_FLAG_WRITE), "opening the file");
}

void VideoWriter::Impl::open_encoder(const Format& format) {
  const AVCodec* codec = avcodec_find_encoder_by_name(format.encoder);
  if (codec == nullptr) {
    throw DataError("video '" + name + "': this FFmpeg has no encoder " + format.encoder);
  }
  encoder.reset(avcodec_alloc_context3(codec));
  encoder->width = static_cast<int>(options.width);
  encoder->height = static_cast<int>(options.height);
  encoder->pix_fmt = options.channels == 1 ? format.grey : format.colour;
  encoder->framerate = av_d2q(options.fps, 100000);
  encoder->time_base = av_inv_q(encoder->framerate);
  encoder->thread_count = options.threads;
  encoder->flags |= AV_CODEC_FLAG_BITEXACT;
  if ((output->oformat->flags & AVFMT_GLOBALHEADER) != 0) {
    encoder->flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
  }
  AVDictionary* settings = nullptr;
  if (options.codec == "h264") {
    encoder->color_range = AVCOL_RANGE_MPEG;
    encoder->colorspace = AVCOL_SPC_SMPTE170M;
    // 4:2:0 needs even sizes.
    encoder->width += encoder->width % 2;
    encoder->height += encoder->height % 2;
    av_dict_set_int(&settings, "crf", options.crf, 0);
    av_dict_set(&settings, "preset", "medium", 0);
    // x264 164's AVX-512 macroblock tree reads memory it did not write at widths such as 112: the
    // same frames gave other bytes from call to call.
    av_dict_set(&settings, "mbtree", "0", 0);
  } else if (options.codec == "ffv1") {
    av_dict_set(&settings, "level", "3", 0);
    av_dict_set(&settings, "slicecrc", "1", 0);
  }
  const int code = avcodec_open2(encoder.get(), codec, &settings);
  av_dict_free(&settings);
  check(code, "opening the encoder");
}

void VideoWriter::Impl::prepare_frame() {
  frame->format = encoder->pix_fmt;
  frame->width = encoder->width;
  frame->height = encoder->height;
  check(av_frame_get_buffer(frame.get(), 0), "allocating a frame");
  const bool video_levels = encoder->pix_fmt == AV_PIX_FMT_YUV420P;
  if (options.channels == 1) {
    if (video_levels) levels = full_to_video_levels();
    return;
  }
  scaler.reset(sws_getContext(encoder->width, encoder->height, AV_PIX_FMT_RGB24, encoder->width,
                              encoder->height, encoder->pix_fmt, kScalerFlags, nullptr, nullptr,
                              nullptr));
  if (!scaler) throw DataError("video '" + name + "': FFmpeg cannot convert colour for this codec");
  const int* matrix = sws_getCoefficients(SWS_CS_ITU601);
  sws_setColorspaceDetails(scaler.get(), matrix, 1, matrix, video_levels ? 0 : 1, 0, 1 << 16,
                           1 << 16);
}

void VideoWriter::Impl::open() {
  const Format format = format_of(options.codec);
  open_container(format);
  open_encoder(format);
  stream = avformat_new_stream(output.get(), nullptr);
  if (stream == nullptr) check(AVERROR(ENOMEM), "setting the stream up");
  check(avcodec_parameters_from_context(stream->codecpar, encoder.get()), "setting the stream up");
  stream->time_base = encoder->time_base;
  stream->avg_frame_rate = encoder->framerate;
  AVDictionary* settings = nullptr;
  if (options.codec == "h264")
    av_dict_set(&settings, "movflags", "+faststart+use_metadata_tags", 0);
  const int code = avformat_write_header(output.get(), &settings);
  av_dict_free(&settings);
  check(code, "writing the header");
  prepare_frame();
}

void VideoWriter::Impl::fill_grey(const std::uint8_t* pixels) {
  const bool video_levels = encoder->pix_fmt == AV_PIX_FMT_YUV420P;
  for (int y = 0; y < encoder->height; ++y) {
    const std::uint8_t* row =
        pixels + std::min<std::int64_t>(y, options.height - 1) * options.width;
    std::uint8_t* target = frame->data[0] + static_cast<std::ptrdiff_t>(y) * frame->linesize[0];
    for (int x = 0; x < encoder->width; ++x) {
      const std::uint8_t value = row[std::min<std::int64_t>(x, options.width - 1)];
      target[x] = video_levels ? levels[value] : value;
    }
  }
  if (!video_levels) return;
  for (const int plane : {1, 2}) {
    std::memset(frame->data[plane], 128,
                static_cast<std::size_t>(frame->linesize[plane]) *
                    static_cast<std::size_t>(encoder->height / 2));
  }
}

void VideoWriter::Impl::fill_colour(const std::uint8_t* pixels) {
  // Odd sizes repeat the last column and row.
  const auto width = static_cast<std::size_t>(options.width);
  const auto height = static_cast<std::size_t>(options.height);
  const auto padded_width = static_cast<std::size_t>(encoder->width);
  const auto padded_height = static_cast<std::size_t>(encoder->height);
  std::vector<std::uint8_t> padded(padded_width * padded_height * 3);
  for (std::size_t y = 0; y < padded_height; ++y) {
    const std::uint8_t* row = pixels + std::min(y, height - 1) * width * 3;
    std::uint8_t* target = padded.data() + y * padded_width * 3;
    std::memcpy(target, row, width * 3);
    if (padded_width > width) std::memcpy(target + width * 3, row + (width - 1) * 3, 3);
  }
  const std::uint8_t* planes[4] = {padded.data(), nullptr, nullptr, nullptr};
  const int strides[4] = {encoder->width * 3, 0, 0, 0};
  sws_scale(scaler.get(), planes, strides, 0, encoder->height, frame->data, frame->linesize);
}

void VideoWriter::Impl::encode(const AVFrame* frame_or_null) {
  check(avcodec_send_frame(encoder.get(), frame_or_null), "encoding");
  for (;;) {
    const int code = avcodec_receive_packet(encoder.get(), packet.get());
    if (code == AVERROR(EAGAIN) || code == AVERROR_EOF) return;
    check(code, "encoding");
    packet->stream_index = stream->index;
    if (packet->duration == 0) packet->duration = 1;
    av_packet_rescale_ts(packet.get(), encoder->time_base, stream->time_base);
    check(av_interleaved_write_frame(output.get(), packet.get()), "writing");
  }
}

VideoWriter::VideoWriter(const std::filesystem::path& path, const VideoWriterOptions& options) {
  check_options(path, options);
  const LibavMessages messages;
  impl_ = std::make_unique<Impl>(path, options);
  impl_->open();
}

VideoWriter::~VideoWriter() = default;

void VideoWriter::write(const std::uint8_t* pixels) {
  const LibavMessages messages;
  Impl& s = *impl_;
  s.check(av_frame_make_writable(s.frame.get()), "allocating a frame");
  if (s.options.channels == 1) {
    s.fill_grey(pixels);
  } else {
    s.fill_colour(pixels);
  }
  s.frame->pts = s.written++;
  s.encode(s.frame.get());
}

void VideoWriter::finish() {
  const LibavMessages messages;
  Impl& s = *impl_;
  if (s.written == 0) throw DataError("video '" + s.name + "' would have no frames");
  s.encode(nullptr);
  s.check(av_write_trailer(s.output.get()), "finishing the file");
  avio_flush(s.output->pb);
  s.check(s.output->pb->error, "writing");
  s.check(avio_closep(&s.output->pb), "closing the file");
  const auto comment = s.options.metadata.find("comment");
  if (s.options.codec == "gif" && comment != s.options.metadata.end()) {
    add_gif_comment(s.file.temporary_path(), s.name, comment->second);
  }
  s.file.commit();
}

void write_video(const std::filesystem::path& path, const Frames& frames,
                 const std::map<std::string, std::string>& metadata) {
  const std::string extension = to_lower(path.extension().string());
  VideoWriterOptions options;
  if (extension == ".avi") {
    options.codec = "ffv1";
  } else if (extension == ".gif") {
    options.codec = "gif";
  } else if (extension != ".mp4") {
    throw UsageError("video '" + path.string() + "': the name must end in .mp4, .avi or .gif");
  }
  options.width = frames.width;
  options.height = frames.height;
  options.channels = frames.channels;
  if (frames.fps > 0) options.fps = frames.fps;
  options.metadata = metadata;
  VideoWriter writer(path, options);
  for (std::int64_t t = 0; t < frames.count; ++t) writer.write(frames.frame(t));
  writer.finish();
}

}  // namespace echopath::io
