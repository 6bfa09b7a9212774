#include "io/dicom_header.hpp"

#include <gdcmSequenceOfItems.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <optional>

#include "echopath/core/text.hpp"

namespace echopath::io {
namespace {

constexpr double kFastestFps = 1000.0;

std::string text_of(const gdcm::DataSet& data_set, std::uint16_t group, std::uint16_t element) {
  const gdcm::Tag tag(group, element);
  if (!data_set.FindDataElement(tag)) return "";
  const gdcm::ByteValue* value = data_set.GetDataElement(tag).GetByteValue();
  if (value == nullptr || value->GetPointer() == nullptr) return "";
  std::string text(value->GetPointer(), value->GetLength());
  text.erase(std::remove(text.begin(), text.end(), '\0'), text.end());
  return trim(text);
}

/// Decimal or integer strings, separated by backslashes.
std::vector<double> numbers_of(const gdcm::DataSet& data_set, std::uint16_t group,
                               std::uint16_t element) {
  std::vector<double> numbers;
  const std::string text = text_of(data_set, group, element);
  if (text.empty()) return numbers;
  for (const std::string& part : split(text, '\\')) {
    char* end = nullptr;
    const double number = std::strtod(part.c_str(), &end);
    if (end == part.c_str() || !std::isfinite(number)) return {};
    numbers.push_back(number);
  }
  return numbers;
}

std::optional<double> number_of(const gdcm::DataSet& data_set, std::uint16_t group,
                                std::uint16_t element) {
  const std::vector<double> numbers = numbers_of(data_set, group, element);
  return numbers.empty() ? std::nullopt : std::optional<double>(numbers.front());
}

double plausible_rate(std::optional<double> rate) {
  return rate && *rate > 0.0 && *rate <= kFastestFps ? *rate : 0.0;
}

double rate_of_milliseconds(std::optional<double> milliseconds) {
  return milliseconds && *milliseconds > 0.0 ? plausible_rate(1000.0 / *milliseconds) : 0.0;
}

/// FrameTimeVector: milliseconds between a frame and the one before it, the first being 0.
void read_frame_time_vector(const gdcm::DataSet& data_set, DicomCine& cine) {
  const std::vector<double> increments = numbers_of(data_set, 0x0018, 0x1065);
  const auto count = static_cast<std::size_t>(cine.frames.count);
  if (count < 2 || increments.size() != count) return;
  std::vector<double> seconds(count, 0.0);
  for (std::size_t i = 1; i < count; ++i) {
    if (increments[i] <= 0.0) return;
    seconds[i] = seconds[i - 1] + increments[i] / 1000.0;
  }
  const double fps = plausible_rate(static_cast<double>(count - 1) / seconds.back());
  if (fps == 0.0) return;
  cine.frame_seconds = seconds;
  cine.frames.fps = fps;
}

void read_rate(const gdcm::DataSet& data_set, DicomCine& cine) {
  read_frame_time_vector(data_set, cine);
  if (!cine.frame_seconds.empty()) return;
  double fps = rate_of_milliseconds(number_of(data_set, 0x0018, 0x1063));     // FrameTime
  if (fps == 0.0) fps = plausible_rate(number_of(data_set, 0x0018, 0x0040));  // CineRate
  if (fps == 0.0) fps = plausible_rate(number_of(data_set, 0x0008, 0x2144));  // Recommended…
  if (fps == 0.0) fps = rate_of_milliseconds(number_of(data_set, 0x0018, 0x1242));  // ActualFrame…
  cine.frames.fps = fps;
}

/// A binary unsigned value of two or four bytes (GDCM has made it native byte order).
std::optional<std::int64_t> integer_of(const gdcm::DataSet& item, std::uint16_t element) {
  const gdcm::Tag tag(0x0018, element);
  if (!item.FindDataElement(tag)) return std::nullopt;
  const gdcm::ByteValue* value = item.GetDataElement(tag).GetByteValue();
  if (value == nullptr || value->GetPointer() == nullptr) return std::nullopt;
  if (value->GetLength() == 2) {
    std::uint16_t number = 0;
    std::memcpy(&number, value->GetPointer(), sizeof number);
    return number;
  }
  if (value->GetLength() != 4) return std::nullopt;
  std::uint32_t number = 0;
  std::memcpy(&number, value->GetPointer(), sizeof number);
  return number;
}

/// Regions that do not fit the image are left out: scaled-down copies keep the original's bounds.
void read_regions(const gdcm::DataSet& data_set, DicomCine& cine) {
  const gdcm::Tag sequence_tag(0x0018, 0x6011);
  if (!data_set.FindDataElement(sequence_tag)) return;
  const auto sequence = data_set.GetDataElement(sequence_tag).GetValueAsSQ();
  if (!sequence) return;
  for (unsigned int i = 1; i <= sequence->GetNumberOfItems(); ++i) {
    const gdcm::DataSet& item = sequence->GetItem(i).GetNestedDataSet();
    const auto format = integer_of(item, 0x6012);
    const auto min_x = integer_of(item, 0x6018);
    const auto min_y = integer_of(item, 0x601A);
    const auto max_x = integer_of(item, 0x601C);
    const auto max_y = integer_of(item, 0x601E);
    if (format != 1 || !min_x || !min_y || !max_x || !max_y) continue;
    // Some makers give the first pixel outside as the upper bound.
    const DicomRegion region{*min_x, *min_y, std::min(*max_x, cine.frames.width - 1),
                             std::min(*max_y, cine.frames.height - 1)};
    const bool inside = *max_x <= cine.frames.width && *max_y <= cine.frames.height;
    if (inside && region.min_x < region.max_x && region.min_y < region.max_y) {
      cine.regions_2d.push_back(region);
    }
  }
}

}  // namespace

void read_header(const gdcm::DataSet& data_set, DicomCine& cine) {
  cine.patient_id = text_of(data_set, 0x0010, 0x0020);
  cine.sop_instance_uid = text_of(data_set, 0x0008, 0x0018);
  cine.study_instance_uid = text_of(data_set, 0x0020, 0x000D);
  read_rate(data_set, cine);
  read_regions(data_set, cine);
}

GreyScale read_grey_scale(const gdcm::DataSet& data_set) {
  GreyScale scale;
  scale.intercept = number_of(data_set, 0x0028, 0x1052).value_or(0.0);
  scale.slope = number_of(data_set, 0x0028, 0x1053).value_or(1.0);
  const auto centre = number_of(data_set, 0x0028, 0x1050);
  const auto width = number_of(data_set, 0x0028, 0x1051);
  if (centre && width && *width >= 1.0) {
    scale.has_window = true;
    scale.window_centre = *centre;
    scale.window_width = *width;
  }
  return scale;
}

}  // namespace echopath::io
