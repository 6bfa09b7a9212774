#include "echopath/io/dicom_writer.hpp"

#include <gdcmDataSet.h>
#include <gdcmTrace.h>
#include <gdcmWriter.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <sstream>
#include <string_view>

#include "echopath/core/build_info.hpp"
#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"

namespace echopath::io {
namespace {

constexpr const char* kUltrasoundMultiFrame = "1.2.840.10008.5.1.4.1.1.3.1";
/// Longest values: of a line of text, of a short text, of the pixel data.
constexpr std::size_t kLongString = 64;
constexpr std::size_t kShortText = 1024;
constexpr std::int64_t kLargestPixelData = 0xFFFFFFFE;

void put(gdcm::DataSet& set, std::uint16_t group, std::uint16_t element, gdcm::VR::VRType type,
         std::string value) {
  if (value.size() % 2 != 0) value += type == gdcm::VR::UI ? '\0' : ' ';
  gdcm::DataElement entry(gdcm::Tag(group, element));
  entry.SetVR(type);
  entry.SetByteValue(value.data(), static_cast<std::uint32_t>(value.size()));
  set.Replace(entry);
}

std::string little_endian(std::uint64_t value, int bytes) {
  std::string text;
  for (int i = 0; i < bytes; ++i) text += static_cast<char>(value >> (8 * i) & 0xFF);
  return text;
}

void put_number(gdcm::DataSet& set, std::uint16_t element, std::uint64_t value) {
  put(set, 0x0028, element, gdcm::VR::US, little_endian(value, 2));
}

/// A decimal string, at most 16 bytes.
std::string decimal(double value) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.9g", value);
  return text;
}

/// A line of text without what DICOM gives a meaning.
std::string line_of(const std::string& text) {
  std::string line = text.substr(0, kLongString);
  std::replace_if(
      line.begin(), line.end(),
      [](char c) {
        return static_cast<unsigned char>(c) < 0x20 || c == '\\' || c == '^' || c == '=';
      },
      '_');
  return line;
}

void put_identity(gdcm::DataSet& set, const DicomWriterOptions& options) {
  using gdcm::VR;
  put(set, 0x0008, 0x0005, VR::CS, "ISO_IR 192");
  put(set, 0x0008, 0x0008, VR::CS, "DERIVED\\SECONDARY");
  put(set, 0x0008, 0x0016, VR::UI, kUltrasoundMultiFrame);
  put(set, 0x0008, 0x0018, VR::UI, uid_from("image " + options.image_key));
  put(set, 0x0008, 0x001C, VR::CS, "YES");  // Synthetic Data
  // Required, and may be empty: nobody was examined, on no date.
  for (const std::uint16_t date : {0x0020, 0x0023}) put(set, 0x0008, date, VR::DA, "");
  for (const std::uint16_t time : {0x0030, 0x0033}) put(set, 0x0008, time, VR::TM, "");
  put(set, 0x0008, 0x0050, VR::SH, "");
  put(set, 0x0008, 0x0060, VR::CS, "US");
  put(set, 0x0008, 0x0070, VR::LO, "echopath");
  put(set, 0x0008, 0x0090, VR::PN, "");
  put(set, 0x0008, 0x103E, VR::LO, line_of(options.name));
  put(set, 0x0008, 0x2111, VR::ST, options.description.substr(0, kShortText));
  put(set, 0x0010, 0x0010, VR::PN, "SYNTHETIC^" + line_of(options.name).substr(0, 50));
  put(set, 0x0010, 0x0020, VR::LO, line_of(options.name));
  put(set, 0x0010, 0x0030, VR::DA, "");
  put(set, 0x0010, 0x0040, VR::CS, "");
  put(set, 0x0018, 0x1020, VR::LO, line_of(version()));
  put(set, 0x0020, 0x000D, VR::UI, uid_from("study " + options.study_key));
  put(set, 0x0020, 0x000E, VR::UI, uid_from("series " + options.series_key));
  put(set, 0x0020, 0x0010, VR::SH, "");
  put(set, 0x0020, 0x0011, VR::IS, "1");
  put(set, 0x0020, 0x0013, VR::IS, std::to_string(options.number));
  put(set, 0x0020, 0x0020, VR::CS, "");
}

void put_image(gdcm::DataSet& set, const DicomWriterOptions& options) {
  using gdcm::VR;
  const std::string milliseconds = decimal(1000.0 / options.fps);
  const std::string rate = std::to_string(std::max(1, static_cast<int>(options.fps + 0.5)));
  put(set, 0x0008, 0x2144, VR::IS, rate);  // Recommended Display Frame Rate
  put(set, 0x0018, 0x0040, VR::IS, rate);  // Cine Rate
  put(set, 0x0018, 0x1063, VR::DS, milliseconds);
  if (options.heart_rate) {
    put(set, 0x0018, 0x1088, VR::IS, std::to_string(std::lround(*options.heart_rate)));
  }
  put_number(set, 0x0002, 1);
  put(set, 0x0028, 0x0004, VR::CS, "MONOCHROME2");
  put(set, 0x0028, 0x0008, VR::IS, std::to_string(options.frames));
  // Frame Increment Pointer: to Frame Time.
  put(set, 0x0028, 0x0009, VR::AT, little_endian(0x0018, 2) + little_endian(0x1063, 2));
  put_number(set, 0x0010, static_cast<std::uint64_t>(options.height));
  put_number(set, 0x0011, static_cast<std::uint64_t>(options.width));
  put_number(set, 0x0014, 0);  // no colour data
  put_number(set, 0x0100, 8);
  put_number(set, 0x0101, 8);
  put_number(set, 0x0102, 7);
  put_number(set, 0x0103, 0);
  put(set, 0x0028, 0x0301, VR::CS, "NO");  // Burned In Annotation
  put(set, 0x0028, 0x2110, VR::CS, "00");  // never compressed with loss
}

/// The preamble, the file meta information and all of the data set that comes before the pixels.
std::string header_of(const std::filesystem::path& path, const DicomWriterOptions& options) {
  gdcm::Trace::WarningOff();
  gdcm::Trace::ErrorOff();
  std::ostringstream stream;
  gdcm::Writer writer;
  writer.SetStream(stream);
  writer.GetFile().GetHeader().SetDataSetTransferSyntax(
      gdcm::TransferSyntax::ExplicitVRLittleEndian);
  put_identity(writer.GetFile().GetDataSet(), options);
  put_image(writer.GetFile().GetDataSet(), options);
  if (!writer.Write()) {
    throw DataError("DICOM file '" + path.string() + "': GDCM cannot write its header");
  }
  return stream.str();
}

void check(const std::filesystem::path& path, const DicomWriterOptions& options) {
  constexpr std::int64_t kLargestSide = 65535;
  const auto [low, high] = std::minmax(options.width, options.height);
  const std::string named = "DICOM file '" + path.string() + "': ";
  if (low < 1 || high > kLargestSide) throw UsageError(named + "sides must be 1 to 65535");
  if (!(options.fps > 0.0 && options.fps <= 1000.0)) {
    throw UsageError(named + "the frame rate must be above 0 and at most 1000");
  }
  if (options.frames < 1 || options.frames > kLargestPixelData / (options.width * options.height)) {
    throw UsageError(named + "it can hold 1 to " +
                     std::to_string(kLargestPixelData / (options.width * options.height)) +
                     " frames of this size");
  }
}

}  // namespace

std::string uid_from(const std::string& key) {
  const std::string hex = sha256_hex(key);
  std::array<unsigned, 16> bytes{};
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = static_cast<unsigned>(std::stoul(hex.substr(2 * i, 2), nullptr, 16));
  }
  bytes[6] = (bytes[6] & 0x0F) | 0x80;  // version 8: made by a rule of one's own
  bytes[8] = (bytes[8] & 0x3F) | 0x80;
  std::string digits;
  while (std::any_of(bytes.begin(), bytes.end(), [](unsigned byte) { return byte != 0; })) {
    unsigned remainder = 0;
    for (unsigned& byte : bytes) {
      const unsigned value = remainder * 256 + byte;
      byte = value / 10;
      remainder = value % 10;
    }
    digits += static_cast<char>('0' + remainder);
  }
  std::reverse(digits.begin(), digits.end());
  return "2.25." + digits;
}

struct DicomWriter::Impl {
  Impl(const std::filesystem::path& path, const DicomWriterOptions& writer_options)
      : options(writer_options), file(path), name(path.string()) {}

  DicomWriterOptions options;
  AtomicFile file;
  std::string name;
  std::int64_t written = 0;
};

DicomWriter::DicomWriter(const std::filesystem::path& path, const DicomWriterOptions& options) {
  check(path, options);
  impl_ = std::make_unique<Impl>(path, options);
  impl_->file.write(header_of(path, options));
  const std::int64_t bytes = options.frames * options.width * options.height;
  impl_->file.write(little_endian(0x7FE0, 2) + little_endian(0x0010, 2) + "OB" +
                    little_endian(0, 2) +
                    little_endian(static_cast<std::uint64_t>(bytes + bytes % 2), 4));
}

DicomWriter::~DicomWriter() = default;

void DicomWriter::write(const std::uint8_t* frame) {
  Impl& s = *impl_;
  const auto size = static_cast<std::size_t>(s.options.width * s.options.height);
  s.file.write(std::string_view(reinterpret_cast<const char*>(frame), size));
  ++s.written;
}

void DicomWriter::finish() {
  Impl& s = *impl_;
  if (s.written != s.options.frames) {
    throw DataError("DICOM file '" + s.name + "' was to have " + std::to_string(s.options.frames) +
                    " frames, but got " + std::to_string(s.written));
  }
  if (s.written * s.options.width * s.options.height % 2 != 0) {
    s.file.write(std::string_view("\0", 1));
  }
  s.file.commit();
}

}  // namespace echopath::io
