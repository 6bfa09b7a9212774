#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "echopath/io/frames.hpp"

namespace echopath::io {

/// One rectangle of the image, bounds inclusive, in pixels.
struct DicomRegion {
  std::int64_t min_x = 0;
  std::int64_t min_y = 0;
  std::int64_t max_x = 0;
  std::int64_t max_y = 0;
};

/// An ultrasound image or cine with what the importer needs of its header.
struct DicomCine {
  /// RGB (colour and palette images) or grey, 8 bits. MONOCHROME1 is inverted to MONOCHROME2.
  /// `frames.fps` is 0 where the header states no rate.
  Frames frames;
  /// Start of each frame in seconds where the header lists uneven increments (FrameTimeVector);
  /// empty where frames are evenly spaced.
  std::vector<double> frame_seconds;
  /// Direct identifiers: for pseudonyms only, never to be written anywhere.
  std::string patient_id;
  std::string sop_instance_uid;
  std::string study_instance_uid;
  /// 2D regions of the Sequence of Ultrasound Regions (0018,6011) that lie inside the image.
  std::vector<DicomRegion> regions_2d;
};

/// True where the file starts like DICOM: "DICM" after the preamble, or a data set without one.
bool looks_like_dicom(const std::filesystem::path& path);

/// Decodes a DICOM file through GDCM: MONOCHROME1/2, RGB, YBR_FULL, YBR_FULL_422, PALETTE COLOR;
/// uncompressed of either endianness, RLE, JPEG baseline and lossless, JPEG-LS, JPEG 2000. More
/// than 8 bits are scaled by the file's window, or by the stored bits where it has none. Every
/// length in the file is checked against the file before GDCM sees it, and the pixel data against
/// the image's size before the image is allocated. GDCM runs in a child process, because it ends
/// the process that runs it (assertion, segmentation fault) on some damaged files. Throws DataError
/// naming the file and the reason.
DicomCine read_dicom_cine(const std::filesystem::path& path);

}  // namespace echopath::io
