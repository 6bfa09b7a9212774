#include "io/event_messages.hpp"

#include <isa-l/crc.h>

#include <bit>
#include <cstring>
#include <limits>
#include <protozero/pbf_builder.hpp>
#include <stdexcept>

namespace echopath::io {
namespace {

static_assert(std::endian::native == std::endian::little, "TFRecords are written as memory is");

// Field numbers of tensorboard/compat/proto/{event,summary,tensor,tensor_shape}.proto.
enum class Event : protozero::pbf_tag_type {
  kWallTime = 1,
  kStep = 2,
  kFileVersion = 3,
  kSummary = 5,
  kSessionLog = 7,
  kSourceMetadata = 10,
};
enum class SessionLog : protozero::pbf_tag_type { kStatus = 1 };
constexpr std::int32_t kSessionStart = 1;
enum class SourceMetadata : protozero::pbf_tag_type { kWriter = 1 };
enum class Summary : protozero::pbf_tag_type { kValue = 1 };
enum class Value : protozero::pbf_tag_type {
  kTag = 1,
  kSimpleValue = 2,
  kImage = 4,
  kHistogram = 5,
  kTensor = 8,
  kMetadata = 9,
};
enum class Image : protozero::pbf_tag_type { kHeight = 1, kWidth = 2, kColorspace = 3, kBytes = 4 };
enum class HistogramField : protozero::pbf_tag_type {
  kMin = 1,
  kMax = 2,
  kCount = 3,
  kSum = 4,
  kSumOfSquares = 5,
  kLimits = 6,
  kHeights = 7,
};
enum class Metadata : protozero::pbf_tag_type { kPluginData = 1 };
enum class PluginData : protozero::pbf_tag_type { kPluginName = 1 };
enum class Tensor : protozero::pbf_tag_type { kDtype = 1, kShape = 2, kStrings = 8 };
constexpr std::int32_t kStringTensor = 7;
enum class Shape : protozero::pbf_tag_type { kDim = 2 };
enum class Dim : protozero::pbf_tag_type { kSize = 1 };

using EventBuilder = protozero::pbf_builder<Event>;
using ValueBuilder = protozero::pbf_builder<Value>;

/// protobuf leaves out fields that are zero.
template <class Builder, class Field>
void add_double(Builder& builder, Field field, double value) {
  if (std::bit_cast<std::uint64_t>(value) != 0) builder.add_double(field, value);
}

EventBuilder begin_event(std::string& data, const EventTime& time) {
  EventBuilder event(data);
  add_double(event, Event::kWallTime, time.wall_time);
  if (time.step != 0) event.add_int64(Event::kStep, time.step);
  return event;
}

/// An event whose summary has one value, of what `fill` puts behind the tag.
template <class Fill>
std::string summary_event(const EventTime& time, const std::string& tag, const Fill& fill) {
  std::string value_data, summary_data, data;
  ValueBuilder value(value_data);
  value.add_string(Value::kTag, tag);
  fill(value);
  protozero::pbf_builder<Summary>(summary_data).add_message(Summary::kValue, value_data);
  begin_event(data, time).add_message(Event::kSummary, summary_data);
  return data;
}

/// The masked checksum of TFRecords (tensorflow/core/lib/hash/crc32c.h): a CRC of data that hold
/// CRCs would be weak.
std::uint32_t masked_crc32c(std::string_view bytes) {
  std::uint32_t crc = std::numeric_limits<std::uint32_t>::max();
  // The library takes lengths of int and does not change the buffer.
  constexpr std::size_t kPiece = std::size_t{1} << 30;
  for (std::size_t first = 0; first < bytes.size(); first += kPiece) {
    const std::string_view piece = bytes.substr(first, kPiece);
    auto* begin = reinterpret_cast<unsigned char*>(const_cast<char*>(piece.data()));
    crc = crc32_iscsi(begin, static_cast<int>(piece.size()), crc);
  }
  return std::rotr(~crc, 15) + 0xa282ead8U;
}

template <class Number>
std::string bytes_of(Number number) {
  std::string bytes(sizeof(number), '\0');
  std::memcpy(bytes.data(), &number, sizeof(number));
  return bytes;
}

}  // namespace

std::string version_event(const EventTime& time, std::string_view writer) {
  std::string source_data, data;
  protozero::pbf_builder<SourceMetadata>(source_data)
      .add_string(SourceMetadata::kWriter, writer.data(), writer.size());
  EventBuilder event = begin_event(data, time);
  event.add_string(Event::kFileVersion, "brain.Event:2");
  event.add_message(Event::kSourceMetadata, source_data);
  return data;
}

std::string restart_event(const EventTime& time) {
  std::string session_data, data;
  protozero::pbf_builder<SessionLog>(session_data).add_enum(SessionLog::kStatus, kSessionStart);
  begin_event(data, time).add_message(Event::kSessionLog, session_data);
  return data;
}

std::string scalar_event(const EventTime& time,
                         const std::vector<std::pair<std::string, double>>& values) {
  std::string summary_data, data;
  protozero::pbf_builder<Summary> summary(summary_data);
  for (const auto& [tag, number] : values) {
    std::string value_data;
    ValueBuilder value(value_data);
    value.add_string(Value::kTag, tag);
    // One of several kinds of value, so that it is written also where it is zero.
    value.add_float(Value::kSimpleValue, static_cast<float>(number));
    summary.add_message(Summary::kValue, value_data);
  }
  begin_event(data, time).add_message(Event::kSummary, summary_data);
  return data;
}

std::string image_event(const EventTime& time, const std::string& tag, const EncodedImage& image) {
  return summary_event(time, tag, [&](ValueBuilder& value) {
    std::string image_data;
    protozero::pbf_builder<Image> fields(image_data);
    fields.add_int32(Image::kHeight, static_cast<std::int32_t>(image.height));
    fields.add_int32(Image::kWidth, static_cast<std::int32_t>(image.width));
    fields.add_int32(Image::kColorspace, static_cast<std::int32_t>(image.channels));
    fields.add_bytes(Image::kBytes, image.bytes);
    value.add_message(Value::kImage, image_data);
  });
}

std::string histogram_event(const EventTime& time, const std::string& tag,
                            const Histogram& histogram) {
  if (histogram.limits.empty() || histogram.limits.size() != histogram.heights.size()) {
    throw std::invalid_argument("a histogram has as many limits as heights, at least one");
  }
  return summary_event(time, tag, [&](ValueBuilder& value) {
    std::string histogram_data;
    protozero::pbf_builder<HistogramField> fields(histogram_data);
    add_double(fields, HistogramField::kMin, histogram.min);
    add_double(fields, HistogramField::kMax, histogram.max);
    add_double(fields, HistogramField::kCount, histogram.count);
    add_double(fields, HistogramField::kSum, histogram.sum);
    add_double(fields, HistogramField::kSumOfSquares, histogram.sum_of_squares);
    fields.add_packed_double(HistogramField::kLimits, histogram.limits.begin(),
                             histogram.limits.end());
    fields.add_packed_double(HistogramField::kHeights, histogram.heights.begin(),
                             histogram.heights.end());
    value.add_message(Value::kHistogram, histogram_data);
  });
}

std::string text_event(const EventTime& time, const std::string& tag, const std::string& text) {
  return summary_event(time, tag, [&](ValueBuilder& value) {
    std::string dim_data, shape_data, tensor_data, plugin_data, metadata;
    protozero::pbf_builder<Dim>(dim_data).add_int64(Dim::kSize, 1);
    protozero::pbf_builder<Shape>(shape_data).add_message(Shape::kDim, dim_data);
    protozero::pbf_builder<Tensor> tensor(tensor_data);
    tensor.add_enum(Tensor::kDtype, kStringTensor);
    tensor.add_message(Tensor::kShape, shape_data);
    tensor.add_bytes(Tensor::kStrings, text);
    value.add_message(Value::kTensor, tensor_data);
    protozero::pbf_builder<PluginData>(plugin_data).add_string(PluginData::kPluginName, "text");
    protozero::pbf_builder<Metadata>(metadata).add_message(Metadata::kPluginData, plugin_data);
    value.add_message(Value::kMetadata, metadata);
  });
}

std::string tf_record(std::string_view content) {
  const std::string length = bytes_of(static_cast<std::uint64_t>(content.size()));
  std::string record = length + bytes_of(masked_crc32c(length));
  record += content;
  return record + bytes_of(masked_crc32c(content));
}

}  // namespace echopath::io
