#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "echopath/io/event_log.hpp"

namespace echopath::io {

/// When an event happened.
struct EventTime {
  double wall_time = 0.0;  ///< seconds since 1970
  std::int64_t step = 0;
};

/// A picture as a file holds it.
struct EncodedImage {
  std::int64_t height = 0;
  std::int64_t width = 0;
  std::int64_t channels = 1;
  std::string bytes;  ///< PNG or GIF
};

// `Event` messages in protobuf's wire format, the fields in the order of their numbers, as
// protobuf's own serializer writes them.

/// The first event of a file.
std::string version_event(const EventTime& time, std::string_view writer);
/// Tells a reader to forget what came before of this step and later ones.
std::string restart_event(const EventTime& time);
std::string scalar_event(const EventTime& time,
                         const std::vector<std::pair<std::string, double>>& values);
std::string image_event(const EventTime& time, const std::string& tag, const EncodedImage& image);
std::string histogram_event(const EventTime& time, const std::string& tag,
                            const Histogram& histogram);
std::string text_event(const EventTime& time, const std::string& tag, const std::string& text);

/// One TFRecord: length (8 bytes, little-endian), its masked CRC-32C, content, its masked CRC-32C.
std::string tf_record(std::string_view content);

}  // namespace echopath::io
