#pragma once

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <string>

/// DICOM files for tests: real ones from the packages pydicom and pydicom-data, and tiny made ones.
namespace echopath::tests {

inline constexpr const char* kDicomMissing =
    "the real DICOM files are missing: run scripts/fetch_test_data.sh once, or set "
    "ECHOPATH_PYDICOM_DATA to the folder that holds them";

/// The folder that scripts/fetch_test_data.sh fills, or "" where it is not there.
inline std::filesystem::path dicom_folder() {
  namespace fs = std::filesystem;
  fs::path folder;
  const char* given = std::getenv("ECHOPATH_PYDICOM_DATA");
  if (given != nullptr && *given != '\0') {
    folder = given;
  } else {
    const char* cache = std::getenv("XDG_CACHE_HOME");
    const char* home = std::getenv("HOME");
    if (cache != nullptr && *cache != '\0') {
      folder = cache;
    } else {
      folder = fs::path(home == nullptr ? "" : home) / ".cache";
    }
    folder = folder / "echopath" / "testdata-1";
  }
  return fs::exists(folder / "color3d_jpeg_baseline.dcm") ? folder : fs::path();
}

/// Writes explicit little endian DICOM: a grey image whose pixels count up from 0.
class DicomWriter {
 public:
  DicomWriter(int rows_, int columns_, int frames_)
      : rows(rows_), columns(columns_), frames(frames_) {
    for (int i = 0; i < rows * columns * frames; ++i) pixels.push_back(static_cast<char>(i));
  }

  int rows;
  int columns;
  int frames;
  int bits_stored = 8;
  std::string photometric = "MONOCHROME2 ";
  std::string pixels;
  std::string patient_name = "DOE^JANE";
  std::string patient_id = "MRN-4711";
  std::string sop_instance_uid = "1.2.3.4.5";

  /// One more text element of the data set.
  void text(std::uint16_t group, std::uint16_t element, const std::string& vr, std::string value) {
    if (value.size() % 2 != 0) value += ' ';
    extra_ += short_element(group, element, vr, value);
  }

  /// An element whose stated length is not its value's.
  void raw_element(std::uint16_t group, std::uint16_t element, const std::string& vr,
                   std::uint32_t length, const std::string& value) {
    extra_ += number(group, 2) + number(element, 2) + vr + std::string(2, '\0') +
              number(length, 4) + value;
  }

  std::string file() const {
    const int bytes = bits_stored > 8 ? 2 : 1;
    const std::string meta =
        short_element(0x0002, 0x0002, "UI", padded("1.2.840.10008.5.1.4.1.1.3.1", '\0')) +
        short_element(0x0002, 0x0003, "UI", padded(sop_instance_uid, '\0')) +
        short_element(0x0002, 0x0010, "UI", padded("1.2.840.10008.1.2.1", '\0'));
    std::string out(128, '\0');
    out += "DICM" + short_element(0x0002, 0x0000, "UL", number(meta.size(), 4)) + meta;
    out += short_element(0x0008, 0x0016, "UI", padded("1.2.840.10008.5.1.4.1.1.3.1", '\0'));
    out += short_element(0x0008, 0x0018, "UI", padded(sop_instance_uid, '\0'));
    out += short_element(0x0008, 0x0060, "CS", "US");
    out += extra_;
    out += short_element(0x0010, 0x0010, "PN", padded(patient_name, ' '));
    out += short_element(0x0010, 0x0020, "LO", padded(patient_id, ' '));
    out += short_element(0x0028, 0x0002, "US", number(1, 2));
    out += short_element(0x0028, 0x0004, "CS", photometric);
    out += short_element(0x0028, 0x0008, "IS", padded(std::to_string(frames), ' '));
    out += short_element(0x0028, 0x0010, "US", number(static_cast<std::uint64_t>(rows), 2));
    out += short_element(0x0028, 0x0011, "US", number(static_cast<std::uint64_t>(columns), 2));
    out += short_element(0x0028, 0x0100, "US", number(static_cast<std::uint64_t>(bytes) * 8, 2));
    out += short_element(0x0028, 0x0101, "US", number(static_cast<std::uint64_t>(bits_stored), 2));
    out +=
        short_element(0x0028, 0x0102, "US", number(static_cast<std::uint64_t>(bits_stored) - 1, 2));
    out += short_element(0x0028, 0x0103, "US", number(0, 2));
    const std::string data = padded(pixels, '\0');
    out += number(0x7FE0, 2) + number(0x0010, 2) + (bytes == 2 ? "OW" : "OB") +
           std::string(2, '\0') + number(data.size(), 4) + data;
    return out;
  }

 private:
  static std::string number(std::uint64_t value, int bytes) {
    std::string text;
    for (int i = 0; i < bytes; ++i) text += static_cast<char>(value >> (8 * i) & 0xFF);
    return text;
  }

  static std::string padded(std::string value, char filler) {
    if (value.size() % 2 != 0) value += filler;
    return value;
  }

  static std::string short_element(std::uint16_t group, std::uint16_t element,
                                   const std::string& vr, const std::string& value) {
    return number(group, 2) + number(element, 2) + vr + number(value.size(), 2) + value;
  }

  std::string extra_;
};

}  // namespace echopath::tests
