#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <protozero/pbf_reader.hpp>
#include <string>
#include <vector>

#include "echopath/core/files.hpp"
#include "io/event_messages.hpp"

namespace echopath::io {

/// The contents of a file of TFRecords; a record is whole where writing its content again gives the
/// same bytes.
inline std::vector<std::string> records(const fs::path& path) {
  const std::string bytes = read_file(path);
  std::vector<std::string> contents;
  for (std::size_t place = 0; place < bytes.size();) {
    std::uint64_t length = 0;
    std::memcpy(&length, bytes.data() + place, sizeof(length));
    const std::string content = bytes.substr(place + 12, length);
    const std::string record = tf_record(content);
    EXPECT_EQ(bytes.substr(place, record.size()), record) << "record at byte " << place;
    contents.push_back(content);
    place += record.size();
  }
  return contents;
}

/// The bytes of a field, found by its path of field numbers.
inline std::string field(const std::string& message, const std::vector<std::uint32_t>& path) {
  std::string found = message;
  for (const std::uint32_t number : path) {
    protozero::pbf_reader reader(found);
    if (!reader.next(number)) return "no field " + std::to_string(number);
    found = std::string(reader.get_view());
  }
  return found;
}

inline std::int64_t step_of(const std::string& event) {
  protozero::pbf_reader reader(event);
  return reader.next(2) ? reader.get_int64() : 0;
}

/// The scalars, images and histograms of a file of events as "tag@step", in its order.
inline std::vector<std::string> tags(const fs::path& path) {
  std::vector<std::string> found;
  for (const std::string& event : records(path)) {
    protozero::pbf_reader fields(event);
    if (!fields.next(5)) continue;
    protozero::pbf_reader summary(fields.get_view());
    while (summary.next(1)) {
      found.push_back(field(std::string(summary.get_view()), {1}) + "@" +
                      std::to_string(step_of(event)));
    }
  }
  return found;
}

}  // namespace echopath::io
