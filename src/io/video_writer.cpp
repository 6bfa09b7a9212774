#include <cmath>
#include <cstring>

#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "echopath/core/text.hpp"
#include "echopath/io/video.hpp"
#include "io/libav.hpp"

namespace echopath::io {
namespace {

struct OutputDeleter {
  void operator()(AVFormatContext* p) const {
    if (p->pb != nullptr && (p->oformat->flags & AVFMT_NOFILE) == 0) avio_closep(&p->pb);
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
  // FFV1 keeps grey as it is; H.264 players want 4:2:0; GIF quantises to its own palette.
  if (codec == "h264") return {"mp4", "libx264", AV_PIX_FMT_YUV420P, AV_PIX_FMT_YUV420P};
  if (codec == "ffv1") return {"avi", "ffv1", AV_PIX_FMT_GRAY8, AV_PIX_FMT_BGR0};
  if (codec == "gif") return {"gif", "gif", AV_PIX_FMT_GRAY8, AV_PIX_FMT_RGB8};
  throw UsageError("video codec '" + codec + "' is unknown; use h264, ffv1 or gif");
}

}  // namespace

struct VideoWriter::Impl {
  Impl(const fs::path& final_path, const VideoWriterOptions& writer_options)
      : options(writer_options), file(final_path), name(final_path.string()) {}

  void check(int code, const char* what) const {
    if (code < 0) {
      throw DataError("video '" + name + "': " + what + " failed: " + libav_reason(code));
    }
  }
  void open();
  void open_encoder(const Format& format);
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
  std::int64_t written = 0;
};

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
  if (output->oformat->flags & AVFMT_GLOBALHEADER) encoder->flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
  AVDictionary* settings = nullptr;
  if (options.codec == "h264") {
    encoder->color_range = AVCOL_RANGE_MPEG;
    encoder->colorspace = AVCOL_SPC_SMPTE170M;
    // 4:2:0 needs even sizes; the extra row or column is cropped by the player.
    encoder->width += encoder->width % 2;
    encoder->height += encoder->height % 2;
    av_dict_set(&settings, "crf", std::to_string(options.crf).c_str(), 0);
    av_dict_set(&settings, "preset", "medium", 0);
  } else if (options.codec == "ffv1") {
    av_dict_set(&settings, "level", "3", 0);
    av_dict_set(&settings, "slicecrc", "1", 0);
  }
  const int code = avcodec_open2(encoder.get(), codec, &settings);
  av_dict_free(&settings);
  check(code, "opening the encoder");
}

void VideoWriter::Impl::open() {
  silence_libav();
  const Format format = format_of(options.codec);
  AVFormatContext* raw = nullptr;
  check(avformat_alloc_output_context2(&raw, nullptr, format.container,
                                       file.temporary_path().c_str()),
        "opening the container");
  output.reset(raw);
  output->flags |= AVFMT_FLAG_BITEXACT;
  open_encoder(format);
  stream = avformat_new_stream(output.get(), nullptr);
  check(avcodec_parameters_from_context(stream->codecpar, encoder.get()), "setting the stream up");
  stream->time_base = encoder->time_base;
  stream->avg_frame_rate = encoder->framerate;
  for (const auto& [key, value] : options.metadata) {
    av_dict_set(&output->metadata, key.c_str(), value.c_str(), 0);
  }
  check(avio_open(&output->pb, file.temporary_path().c_str(), AVIO_FLAG_WRITE), "opening the file");
  AVDictionary* settings = nullptr;
  if (options.codec == "h264") av_dict_set(&settings, "movflags", "+faststart+use_metadata_tags", 0);
  const int code = avformat_write_header(output.get(), &settings);
  av_dict_free(&settings);
  check(code, "writing the header");
  frame->format = encoder->pix_fmt;
  frame->width = encoder->width;
  frame->height = encoder->height;
  check(av_frame_get_buffer(frame.get(), 0), "allocating a frame");
  const AVPixelFormat source = options.channels == 1 ? AV_PIX_FMT_GRAY8 : AV_PIX_FMT_RGB24;
  if (source != encoder->pix_fmt) {
    scaler.reset(sws_getContext(encoder->width, encoder->height, source, encoder->width,
                                encoder->height, encoder->pix_fmt,
                                SWS_BILINEAR | SWS_ACCURATE_RND | SWS_FULL_CHR_H_INT, nullptr,
                                nullptr, nullptr));
    const int* matrix = sws_getCoefficients(SWS_CS_ITU601);
    const int full = options.codec == "h264" ? 0 : 1;
    sws_setColorspaceDetails(scaler.get(), matrix, 1, matrix, full, 0, 1 << 16, 1 << 16);
  }
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

VideoWriter::VideoWriter(const std::filesystem::path& path, const VideoWriterOptions& options)
    : impl_(std::make_unique<Impl>(path, options)) {
  if (options.width < 1 || options.height < 1 || options.fps <= 0 ||
      (options.channels != 1 && options.channels != 3)) {
    throw UsageError("video '" + path.string() + "': size, frame rate or channels are not possible");
  }
  impl_->open();
}

VideoWriter::~VideoWriter() = default;

void VideoWriter::write(const std::uint8_t* pixels) {
  Impl& s = *impl_;
  s.check(av_frame_make_writable(s.frame.get()), "allocating a frame");
  const auto width = static_cast<std::size_t>(s.options.width);
  const auto height = static_cast<std::size_t>(s.options.height);
  const auto channels = static_cast<std::size_t>(s.options.channels);
  // Odd sizes repeat the last column and row.
  const auto padded_width = static_cast<std::size_t>(s.encoder->width);
  const auto padded_height = static_cast<std::size_t>(s.encoder->height);
  std::vector<std::uint8_t> padded(padded_width * padded_height * channels);
  for (std::size_t y = 0; y < padded_height; ++y) {
    const std::uint8_t* row = pixels + std::min(y, height - 1) * width * channels;
    std::uint8_t* target = padded.data() + y * padded_width * channels;
    std::memcpy(target, row, width * channels);
    for (std::size_t x = width; x < padded_width; ++x) {
      std::memcpy(target + x * channels, row + (width - 1) * channels, channels);
    }
  }
  const std::uint8_t* planes[4] = {padded.data(), nullptr, nullptr, nullptr};
  const int strides[4] = {static_cast<int>(padded_width * channels), 0, 0, 0};
  if (s.scaler) {
    sws_scale(s.scaler.get(), planes, strides, 0, s.encoder->height, s.frame->data,
              s.frame->linesize);
  } else {
    av_image_copy(s.frame->data, s.frame->linesize, planes, strides, s.encoder->pix_fmt,
                  s.encoder->width, s.encoder->height);
  }
  s.frame->pts = s.written++;
  s.encode(s.frame.get());
}

void VideoWriter::finish() {
  Impl& s = *impl_;
  s.encode(nullptr);
  s.check(av_write_trailer(s.output.get()), "finishing the file");
  if (s.output->pb != nullptr) {
    avio_flush(s.output->pb);
    s.check(s.output->pb->error, "writing");
    s.check(avio_closep(&s.output->pb), "closing the file");
  }
  s.file.commit();
}

void write_video(const std::filesystem::path& path, const Frames& frames,
                 const std::map<std::string, std::string>& metadata) {
  const std::string extension = to_lower(path.extension().string());
  VideoWriterOptions options;
  options.codec = extension == ".avi" ? "ffv1" : extension == ".gif" ? "gif" : "h264";
  options.width = frames.width;
  options.height = frames.height;
  options.channels = frames.channels;
  options.fps = frames.fps > 0 ? frames.fps : 32.0;
  options.metadata = metadata;
  VideoWriter writer(path, options);
  for (std::int64_t t = 0; t < frames.count; ++t) writer.write(frames.frame(t));
  writer.finish();
}

}  // namespace echopath::io
