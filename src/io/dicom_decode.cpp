#include "io/dicom_decode.hpp"

#include <gdcmImage.h>
#include <gdcmImageApplyLookupTable.h>
#include <gdcmImageReader.h>
#include <gdcmSequenceOfFragments.h>
#include <gdcmTrace.h>

#include <algorithm>

#include "echopath/core/errors.hpp"
#include "echopath/core/text.hpp"
#include "io/dicom_header.hpp"
#include "io/dicom_pixels.hpp"

namespace echopath::io {
namespace {

/// No real cine comes near these: 1,000 frames of 1024×768 in colour are 2.4 GB.
constexpr double kLargestImageBytes = 8e9;
/// A compressed file of a few bytes may claim any size; below this it is harmless, above it the
/// image may be at most this many times the compressed bytes.
constexpr double kHarmlessBytes = 64e6;
constexpr double kLargestCompression = 5000;

std::uint64_t stored_bytes(const gdcm::Image& image, bool* compressed, std::uint64_t* fragments) {
  const gdcm::DataElement& pixels = image.GetDataElement();
  if (const gdcm::SequenceOfFragments* sequence = pixels.GetSequenceOfFragments()) {
    *compressed = true;
    *fragments = sequence->GetNumberOfFragments();
    return sequence->ComputeByteLength();
  }
  *compressed = false;
  const gdcm::ByteValue* bytes = pixels.GetByteValue();
  return bytes == nullptr ? 0 : static_cast<std::uint64_t>(bytes->GetLength());
}

/// Compares what the header asks for with what the file holds.
void check_sizes(const std::filesystem::path& path, const gdcm::Image& image,
                 const ImageShape& shape) {
  bool compressed = false;
  std::uint64_t fragments = 0;
  const auto stored = static_cast<double>(stored_bytes(image, &compressed, &fragments));
  double asked = static_cast<double>(shape.columns) * static_cast<double>(shape.rows) *
                 static_cast<double>(shape.frames) * shape.samples * shape.bytes_per_sample;
  if (asked > kLargestImageBytes) {
    throw DataError("DICOM file '" + path.string() + "' asks for " + human_bytes(asked) +
                    " of pixels; at most " + human_bytes(kLargestImageBytes) + " are read");
  }
  if (compressed) {
    const bool too_few = static_cast<double>(fragments) < static_cast<double>(shape.frames);
    if (too_few || (asked > kHarmlessBytes && asked > kLargestCompression * stored)) {
      throw DataError("DICOM file '" + path.string() + "' claims " + std::to_string(shape.frames) +
                      " frames of " + std::to_string(shape.columns) + "x" +
                      std::to_string(shape.rows) + ", but holds " + std::to_string(fragments) +
                      " compressed fragments of " + human_bytes(stored) + " in all");
    }
    return;
  }
  const bool half_chroma =
      image.GetPhotometricInterpretation() == gdcm::PhotometricInterpretation::YBR_FULL_422;
  if (half_chroma) asked = asked * 2 / 3;
  if (stored < asked) {
    throw DataError("DICOM file '" + path.string() + "' claims " + std::to_string(shape.frames) +
                    " frames of " + std::to_string(shape.columns) + "x" +
                    std::to_string(shape.rows) + " (" + human_bytes(asked) + "), but holds " +
                    human_bytes(stored) + " of pixel data");
  }
}

ImageShape shape_of(const std::filesystem::path& path, const gdcm::Image& image) {
  const gdcm::PixelFormat& format = image.GetPixelFormat();
  ImageShape shape;
  shape.columns = image.GetDimension(0);
  shape.rows = image.GetDimension(1);
  shape.frames = image.GetNumberOfDimensions() > 2 ? image.GetDimension(2) : 1;
  shape.samples = format.GetSamplesPerPixel();
  shape.bytes_per_sample = format.GetBitsAllocated() / 8;
  shape.bits_stored = format.GetBitsStored();
  shape.is_signed = format.GetPixelRepresentation() == 1;
  shape.planar = image.GetPlanarConfiguration() == 1;
  const bool bits_known =
      shape.bytes_per_sample == 1 || shape.bytes_per_sample == 2 || shape.bytes_per_sample == 4;
  if (!bits_known || (shape.samples != 1 && shape.samples != 3) || format.GetBitsAllocated() % 8) {
    throw DataError("DICOM file '" + path.string() + "' has " + std::to_string(shape.samples) +
                    " samples of " + std::to_string(format.GetBitsAllocated()) +
                    " bits per pixel; 1 or 3 samples of 8, 16 or 32 bits can be read");
  }
  if (shape.columns == 0 || shape.rows == 0 || shape.frames == 0) {
    throw DataError("DICOM file '" + path.string() + "' holds no frames");
  }
  return shape;
}

std::vector<char> decode_buffer(const std::filesystem::path& path, const gdcm::Image& image) {
  std::vector<char> raw(image.GetBufferLength());
  if (!image.GetBuffer(raw.data())) {
    throw DataError("DICOM file '" + path.string() + "': its pixel data (" +
                    image.GetTransferSyntax().GetString() + ") cannot be decoded");
  }
  return raw;
}

Frames read_frames(const std::filesystem::path& path, const gdcm::ImageReader& reader) {
  const gdcm::Image& image = reader.GetImage();
  ImageShape shape = shape_of(path, image);
  check_sizes(path, image, shape);
  using Photometric = gdcm::PhotometricInterpretation;
  const Photometric photometric = image.GetPhotometricInterpretation();
  if (photometric == Photometric::PALETTE_COLOR) {
    gdcm::ImageApplyLookupTable palette;
    palette.SetInput(image);
    if (!palette.Apply()) {
      throw DataError("DICOM file '" + path.string() + "' has a damaged colour palette");
    }
    const gdcm::Image& coloured = palette.GetOutput();
    return to_rgb8(decode_buffer(path, coloured), shape_of(path, coloured), ColourSpace::kRgb);
  }
  const bool run_length = image.GetTransferSyntax() == gdcm::TransferSyntax::RLELossless;
  if (run_length && shape.samples == 3 && shape.bytes_per_sample > 1) {
    // GDCM 3.0 mixes up the planes of these (pydicom's SC_rgb_rle_16bit.dcm).
    throw DataError("DICOM file '" + path.string() +
                    "' holds RLE colour of more than 8 bits, which cannot be read; write it "
                    "uncompressed first (gdcmconv --raw)");
  }
  const std::vector<char> raw = decode_buffer(path, image);
  if (photometric == Photometric::MONOCHROME1 || photometric == Photometric::MONOCHROME2) {
    const GreyScale scale = read_grey_scale(reader.GetFile().GetDataSet());
    return to_grey8(raw, shape, scale, photometric == Photometric::MONOCHROME1);
  }
  if (photometric == Photometric::YBR_FULL || photometric == Photometric::YBR_FULL_422) {
    return to_rgb8(raw, shape, ColourSpace::kYbrFull);
  }
  // The JPEG 2000 decoder has already turned YBR_RCT and YBR_ICT into RGB.
  if (photometric == Photometric::RGB || photometric == Photometric::YBR_RCT ||
      photometric == Photometric::YBR_ICT) {
    return to_rgb8(raw, shape, ColourSpace::kRgb);
  }
  throw DataError("DICOM file '" + path.string() + "' has photometric interpretation '" +
                  trim(photometric.GetString()) + "', which cannot be read");
}

}  // namespace

DicomCine decode_dicom(const std::filesystem::path& path) {
  gdcm::Trace::DebugOff();
  gdcm::Trace::WarningOff();
  gdcm::Trace::ErrorOff();
  gdcm::ImageReader reader;
  reader.SetFileName(path.c_str());
  if (!reader.Read()) {
    throw DataError("DICOM file '" + path.string() +
                    "' holds no image that GDCM can read (damaged, or not an image)");
  }
  DicomCine cine;
  cine.frames = read_frames(path, reader);
  read_header(reader.GetFile().GetDataSet(), cine);
  return cine;
}

}  // namespace echopath::io
