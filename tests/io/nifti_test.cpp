#include "echopath/io/nifti.hpp"

#include <zlib.h>

#include <bit>
#include <cstring>
#include <limits>

#include "core/temporary_directory.hpp"
#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"

namespace echopath::io {
namespace {

// Codes of the standard.
constexpr std::int16_t kUint8 = 2, kInt16 = 4, kInt32 = 8, kFloat32 = 16, kComplex64 = 32,
                       kFloat64 = 64, kRgb24 = 128, kUint16 = 512;

/// Writes a file byte by byte after the standard's table of offsets, in either byte order.
class Builder {
 public:
  explicit Builder(bool big_endian = false) : big_endian_(big_endian) {}

  template <class Value>
  void put(std::size_t offset, Value value) {
    char bytes[sizeof(Value)];
    std::memcpy(bytes, &value, sizeof value);
    if (big_endian_) std::reverse(std::begin(bytes), std::end(bytes));
    if (content_.size() < offset + sizeof(Value)) content_.resize(offset + sizeof(Value), '\0');
    std::copy(std::begin(bytes), std::end(bytes),
              content_.begin() + static_cast<std::ptrdiff_t>(offset));
  }
  template <class Value>
  void append(std::initializer_list<Value> values) {
    for (const Value value : values) put(content_.size(), value);
  }

  /// A NIfTI-1 header, ready for its voxels.
  Builder& header(std::initializer_list<std::int16_t> dim, std::int16_t datatype) {
    put<std::int32_t>(0, 348);
    std::size_t offset = 40;
    for (const std::int16_t size : dim) {
      put(offset, size);
      offset += 2;
    }
    put(70, datatype);
    put(108, 352.0f);
    put<std::int32_t>(348, 0);
    std::memcpy(content_.data() + 344, "n+1", 4);
    return *this;
  }

  std::string& content() { return content_; }

 private:
  bool big_endian_;
  std::string content_;
};

void write_gz(const fs::path& path, const std::string& content) {
  gzFile file = gzopen(path.c_str(), "wb");
  ASSERT_EQ(gzwrite(file, content.data(), static_cast<unsigned>(content.size())),
            static_cast<int>(content.size()));
  ASSERT_EQ(gzclose(file), Z_OK);
}

class Nifti : public testing::Test {
 protected:
  NiftiCine read(Builder& builder) {
    write_file(path_, builder.content());
    return read_nifti(path_);
  }
  void expect_refused(Builder& builder, const std::string& part) {
    write_file(path_, builder.content());
    expect_error<DataError>([&] { read_nifti(path_); }, part);
    expect_error<DataError>([&] { read_nifti(path_); }, path_.string());
  }

  TemporaryDirectory folder_;
  fs::path path_ = folder_ / "cine.nii";
};

using NiftiRead = Nifti;
using NiftiWrite = Nifti;
using NiftiFaults = Nifti;

TEST_F(NiftiWrite, RoundTripPlainAndCompressed) {
  std::vector<std::uint8_t> bytes(5 * 4 * 3);
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::uint8_t>(i * 4 + 7);
  for (const char* name : {"a.nii", "a.nii.gz"}) {
    write_nifti(folder_ / name, 5, 4, 3, bytes);
    const NiftiCine cine = read_nifti(folder_ / name);
    EXPECT_EQ(cine.size_x, 5);
    EXPECT_EQ(cine.size_y, 4);
    EXPECT_EQ(cine.count, 3);
    EXPECT_EQ(cine.frame_seconds, 0.0);
    EXPECT_EQ(cine.values, std::vector<float>(bytes.begin(), bytes.end()));
  }
  EXPECT_EQ(fs::file_size(folder_ / "a.nii"), 352U + 60U);
  EXPECT_EQ(read_file(folder_ / "a.nii.gz").substr(0, 2), "\x1f\x8b");
}

TEST_F(NiftiWrite, SameVoxelsGiveTheSameBytes) {
  const std::vector<std::uint8_t> bytes(64, 9);
  write_nifti(folder_ / "a.nii.gz", 4, 4, 4, bytes);
  write_nifti(folder_ / "b.nii.gz", 4, 4, 4, bytes);
  EXPECT_EQ(read_file(folder_ / "a.nii.gz"), read_file(folder_ / "b.nii.gz"));
}

TEST_F(NiftiWrite, SizesBeyondTheFormatAreRefused) {
  expect_error<DataError>(
      [&] { write_nifti(path_, 40000, 1, 1, std::vector<std::uint8_t>(40000)); }, path_.string());
  EXPECT_FALSE(fs::exists(path_));
}

TEST_F(NiftiRead, EveryDatatypeInBothByteOrders) {
  const std::vector<float> expected = {1, 2, 3, 250, 5, 6};
  for (const bool big_endian : {false, true}) {
    for (const std::int16_t datatype : {kUint8, kInt16, kUint16, kInt32, kFloat32, kFloat64}) {
      Builder builder(big_endian);
      builder.header({3, 3, 2, 1}, datatype);
      for (const float value : expected) {
        switch (datatype) {
          case kUint8:
            builder.append({static_cast<std::uint8_t>(value)});
            break;
          case kInt16:
            builder.append({static_cast<std::int16_t>(value)});
            break;
          case kUint16:
            builder.append({static_cast<std::uint16_t>(value)});
            break;
          case kInt32:
            builder.append({static_cast<std::int32_t>(value)});
            break;
          case kFloat32:
            builder.append({value});
            break;
          default:
            builder.append({static_cast<double>(value)});
        }
      }
      const NiftiCine cine = read(builder);
      EXPECT_EQ(cine.values, expected) << datatype << (big_endian ? " big" : " little");
    }
  }
}

TEST_F(NiftiRead, SlopeAndInterceptAreApplied) {
  Builder builder;
  builder.header({3, 2, 1, 1}, kInt16);
  builder.put(112, 0.5f);
  builder.put(116, -10.0f);
  builder.append<std::int16_t>({100, -4});
  EXPECT_EQ(read(builder).values, (std::vector<float>{40, -12}));
}

TEST_F(NiftiRead, AScaleThatIsNotANumberIsLeftOut) {
  Builder builder;
  builder.header({3, 2, 1, 1}, kUint8);
  builder.put(112, std::numeric_limits<float>::quiet_NaN());
  builder.put(116, 5.0f);
  builder.append<std::uint8_t>({3, 4});
  EXPECT_EQ(read(builder).values, (std::vector<float>{3, 4}));
}

TEST_F(NiftiRead, FramesMayRunOverTheFourthAxisWithTheirTime) {
  Builder builder;
  builder.header({4, 2, 1, 1, 3}, kUint8);
  builder.put(76 + 4 * 4, 25.0f);                       // pixdim[4]
  builder.put(123, static_cast<std::uint8_t>(16 | 2));  // milliseconds, millimetres
  builder.append<std::uint8_t>({1, 2, 3, 4, 5, 6});
  const NiftiCine cine = read(builder);
  EXPECT_EQ(cine.count, 3);
  EXPECT_NEAR(cine.frame_seconds, 0.025, 1e-9);
  EXPECT_EQ(cine.values, (std::vector<float>{1, 2, 3, 4, 5, 6}));
}

TEST_F(NiftiRead, TheThirdAxisStatesNoTime) {
  Builder builder;
  builder.header({3, 1, 1, 3}, kUint8);
  builder.put(76 + 4 * 3, 0.04f);
  builder.put(123, static_cast<std::uint8_t>(8 | 2));
  builder.append<std::uint8_t>({1, 2, 3});
  EXPECT_EQ(read(builder).frame_seconds, 0.0);
}

TEST_F(NiftiRead, ColourBecomesLuma) {
  Builder builder;
  builder.header({3, 2, 2, 1}, kRgb24);
  builder.append<std::uint8_t>({255, 0, 0, 0, 255, 0, 0, 0, 255, 9, 9, 9});
  EXPECT_EQ(read(builder).values, (std::vector<float>{76, 150, 29, 9}));
}

TEST_F(NiftiRead, SecondVersionOfTheFormat) {
  for (const bool big_endian : {false, true}) {
    Builder builder(big_endian);
    builder.put<std::int32_t>(0, 540);
    builder.put<std::int16_t>(12, kInt16);
    std::size_t offset = 16;
    for (const std::int64_t size : {3, 2, 1, 2}) {
      builder.put(offset, size);
      offset += 8;
    }
    builder.put<std::int64_t>(168, 544);
    builder.put(176, 2.0);
    builder.put<std::int32_t>(540, 0);
    std::memcpy(builder.content().data() + 4, "n+2\0\r\n\032\n", 8);
    builder.append<std::int16_t>({1, -2, 300, 4});
    EXPECT_EQ(read(builder).values, (std::vector<float>{2, -4, 600, 8})) << big_endian;
  }
}

TEST_F(NiftiRead, VoxelsAfterAnExtensionAreFound) {
  Builder builder;
  builder.header({3, 2, 1, 1}, kUint8);
  builder.put(108, 2000.0f);
  builder.put<std::uint8_t>(2000, 8);
  builder.put<std::uint8_t>(2001, 9);
  EXPECT_EQ(read(builder).values, (std::vector<float>{8, 9}));
  write_gz(folder_ / "cine.nii.gz", builder.content());
  EXPECT_EQ(read_nifti(folder_ / "cine.nii.gz").values, (std::vector<float>{8, 9}));
}

TEST_F(NiftiRead, ManyChunksOfVoxels) {
  Builder builder;
  builder.header({3, 1000, 1000, 3}, kUint8);
  builder.content().resize(352 + 3000000);
  builder.content()[352 + 2999999] = 7;
  builder.content()[352 + 1000000] = 5;
  for (const NiftiCine& cine : {read(builder), [&] {
                                  write_gz(folder_ / "cine.nii.gz", builder.content());
                                  return read_nifti(folder_ / "cine.nii.gz");
                                }()}) {
    ASSERT_EQ(cine.values.size(), 3000000U);
    EXPECT_EQ(cine.values[2999999], 7.0f);
    EXPECT_EQ(cine.values[1000000], 5.0f);
    EXPECT_EQ(cine.values[999999], 0.0f);
  }
}

TEST_F(NiftiFaults, AHeaderThatAsksFor18GigabytesIsRefused) {
  Builder builder;
  builder.header({3, 1500, 1500, 1000}, kFloat64);
  builder.content().resize(377);
  expect_refused(builder, "asks for 1500 × 1500 × 1000 FLOAT64 (18 GB)");
  write_gz(folder_ / "cine.nii.gz", builder.content());
  expect_error<DataError>([&] { read_nifti(folder_ / "cine.nii.gz"); }, "18 GB");
}

TEST_F(NiftiFaults, TruncatedFilesAreRefused) {
  Builder builder;
  builder.header({3, 10, 10, 10}, kUint8);
  builder.content().resize(352 + 999);
  expect_refused(builder, "cut short");
  write_gz(folder_ / "short.nii.gz", builder.content());
  expect_error<DataError>([&] { read_nifti(folder_ / "short.nii.gz"); },
                          "short.nii.gz' is cut short");
  expect_error<DataError>([&] { read_nifti(folder_ / "short.nii.gz"); },
                          "; copy the file again or take it out");

  for (std::size_t i = 352; i < 352 + 999; ++i)
    builder.content()[i] = static_cast<char>(i * i * 31);
  builder.content().resize(352 + 1000);
  write_gz(folder_ / "whole.nii.gz", builder.content());
  const std::string bytes = read_file(folder_ / "whole.nii.gz");
  for (const std::size_t length : {bytes.size() / 2, bytes.size() - 4}) {
    write_file(folder_ / "cut.nii.gz", bytes.substr(0, length));
    expect_error<DataError>([&] { read_nifti(folder_ / "cut.nii.gz"); }, "cut.nii.gz");
  }
}

TEST_F(NiftiFaults, ACompressedFileWithWrongBytesIsRefused) {
  std::vector<std::uint8_t> voxels(4000);
  for (std::size_t i = 0; i < voxels.size(); ++i) voxels[i] = static_cast<std::uint8_t>(i * i * 31);
  write_nifti(folder_ / "a.nii.gz", 20, 20, 10, voxels);
  std::string bytes = read_file(folder_ / "a.nii.gz");
  bytes[bytes.size() - 6] = static_cast<char>(bytes[bytes.size() - 6] ^ 0x55);  // of the checksum
  write_file(folder_ / "a.nii.gz", bytes);
  expect_error<DataError>([&] { read_nifti(folder_ / "a.nii.gz"); }, "damaged");
}

TEST_F(NiftiFaults, WhatIsNoCineIsRefusedWithItsReason) {
  Builder empty;
  expect_refused(empty, "cut short");
  Builder text;
  text.content().assign(1000, 'x');
  expect_refused(text, "not a NIfTI");
  Builder volume;
  volume.header({4, 2, 2, 3, 3}, kUint8);
  expect_refused(volume, "volume over time");
  Builder flat;
  flat.header({1, 2}, kUint8);
  expect_refused(flat, "dimensions");
  Builder negative;
  negative.header({3, 2, -2, 3}, kUint8);
  expect_refused(negative, "size -2 in dimension 2");
  Builder complex_values;
  complex_values.header({3, 2, 2, 3}, kComplex64);
  expect_refused(complex_values, "type 32");
  Builder pair;
  pair.header({3, 1, 1, 1}, kUint8).append<std::uint8_t>({1});
  std::memcpy(pair.content().data() + 344, "ni1", 4);
  expect_refused(pair, ".hdr and .img");
  Builder offset;
  offset.header({3, 1, 1, 1}, kUint8).put(108, 100.0f);
  expect_refused(offset, "start at byte 100");
}

TEST_F(NiftiFaults, SizesWhoseProductOverflowsAreRefused) {
  Builder builder;
  builder.put<std::int32_t>(0, 540);
  builder.put<std::int16_t>(12, kFloat64);
  std::size_t offset = 16;
  for (const std::int64_t size :
       {std::int64_t{3}, std::int64_t{1} << 40, std::int64_t{1} << 40, std::int64_t{1} << 40}) {
    builder.put(offset, size);
    offset += 8;
  }
  builder.put<std::int64_t>(168, 544);
  builder.put<std::int32_t>(540, 0);
  std::memcpy(builder.content().data() + 4, "n+2\0\r\n\032\n", 8);
  expect_refused(builder, "more bytes than a file can have");
}

}  // namespace
}  // namespace echopath::io
