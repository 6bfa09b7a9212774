#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

namespace echopath::io {

/// What a synthetic cine says of itself. Its UIDs are derived from the three `…_key`s alone: the
/// same key gives the same UID, and no other program's.
struct DicomWriterOptions {
  std::int64_t width = 112;
  std::int64_t height = 112;
  std::int64_t frames = 0;  ///< that will be written
  double fps = 32.0;
  std::optional<double> heart_rate;  ///< beats per minute, where they are known
  std::string name;                  ///< stands for the patient; no person is behind it
  std::string study_key;             ///< what the clips of a study have in common
  std::string series_key;            ///< what those of a series have in common
  std::string image_key;             ///< of this clip alone
  std::int64_t number = 1;           ///< of the clip in its series
  std::string description;           ///< how it was made, at most 1024 bytes
};

/// Writes grey frames as they come, as an Ultrasound Multi-frame Image (SOP class
/// 1.2.840.10008.5.1.4.1.1.3.1, uncompressed, explicit little endian): image type
/// DERIVED\SECONDARY, Synthetic Data (0008,001C) YES. GDCM writes the header. The same frames and
/// options give the same bytes; dates are empty. The file appears under its name at finish().
class DicomWriter {
 public:
  /// Throws UsageError on a size, rate or number of frames that DICOM cannot hold, DataError where
  /// the file cannot be written.
  DicomWriter(const std::filesystem::path& path, const DicomWriterOptions& options);
  ~DicomWriter();
  DicomWriter(const DicomWriter&) = delete;
  DicomWriter& operator=(const DicomWriter&) = delete;

  /// One frame, [H, W] bytes.
  void write(const std::uint8_t* frame);
  /// Throws DataError unless as many frames were written as were announced.
  void finish();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// "2.25." and the decimal number of a 128-bit identifier made from the SHA-256 of `key` (a UUID by
/// name, ISO/IEC 9834-8).
std::string uid_from(const std::string& key);

}  // namespace echopath::io
