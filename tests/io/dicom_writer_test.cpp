#include "echopath/io/dicom_writer.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

#include "core/temporary_directory.hpp"
#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "echopath/io/dicom.hpp"

namespace echopath::io {
namespace {

using ::testing::HasSubstr;
using ::testing::MatchesRegex;

class DicomWriterTest : public ::testing::Test {
 protected:
  static DicomWriterOptions options(std::int64_t width = 7, std::int64_t height = 5,
                                    std::int64_t frames = 3) {
    DicomWriterOptions options;
    options.width = width;
    options.height = height;
    options.frames = frames;
    options.name = "ASD_000010";
    options.study_key = "run";
    options.series_key = "run ASD";
    options.image_key = "run ASD 10";
    options.description = R"({"seed":10})";
    return options;
  }
  /// Frames whose pixels count up from 0.
  static std::vector<std::uint8_t> counting(const DicomWriterOptions& options) {
    std::vector<std::uint8_t> pixels(
        static_cast<std::size_t>(options.width * options.height * options.frames));
    std::iota(pixels.begin(), pixels.end(), std::uint8_t{0});
    return pixels;
  }
  fs::path write(const std::string& name, const DicomWriterOptions& options) const {
    const fs::path path = folder_ / name;
    const std::vector<std::uint8_t> pixels = counting(options);
    DicomWriter writer(path, options);
    for (std::int64_t t = 0; t < options.frames; ++t) {
      writer.write(pixels.data() + t * options.width * options.height);
    }
    writer.finish();
    return path;
  }
  /// An element as explicit little endian has it on disk.
  static std::string element(std::uint16_t group, std::uint16_t number, const std::string& type,
                             std::string value, char filler = ' ') {
    if (value.size() % 2 != 0) value += filler;
    std::string text;
    for (const std::size_t part : {std::size_t{group}, std::size_t{number}}) {
      text += static_cast<char>(part & 0xFF);
      text += static_cast<char>(part >> 8);
    }
    return text + type + static_cast<char>(value.size()) + '\0' + value;
  }

  TemporaryDirectory folder_;
};

// 7·5·3 is odd, so the pixel data get a byte of padding.
TEST_F(DicomWriterTest, ReaderGetsTheFramesAndTheRateBack) {
  const DicomCine cine = read_dicom_cine(write("a.dcm", options()));
  EXPECT_EQ(cine.frames.count, 3);
  EXPECT_EQ(cine.frames.height, 5);
  EXPECT_EQ(cine.frames.width, 7);
  EXPECT_EQ(cine.frames.channels, 1);
  EXPECT_DOUBLE_EQ(cine.frames.fps, 32.0);
  EXPECT_EQ(cine.frames.pixels, counting(options()));
  EXPECT_EQ(cine.patient_id, "ASD_000010");
}

TEST_F(DicomWriterTest, SaysThatItIsSyntheticAndDerived) {
  const std::string bytes = read_file(write("a.dcm", options()));
  EXPECT_THAT(bytes, HasSubstr(element(0x0008, 0x001C, "CS", "YES")));
  EXPECT_THAT(bytes, HasSubstr(element(0x0008, 0x0008, "CS", "DERIVED\\SECONDARY")));
  EXPECT_THAT(bytes, HasSubstr(element(0x0008, 0x0016, "UI", "1.2.840.10008.5.1.4.1.1.3.1", '\0')));
  EXPECT_THAT(bytes, HasSubstr(element(0x0008, 0x2111, "ST", R"({"seed":10})")));
  EXPECT_THAT(bytes, HasSubstr(element(0x0010, 0x0010, "PN", "SYNTHETIC^ASD_000010")));
  EXPECT_THAT(bytes, HasSubstr(element(0x0018, 0x1063, "DS", "31.25")));
  EXPECT_THAT(bytes, HasSubstr(element(0x0028, 0x0009, "AT", std::string("\x18\0\x63\x10", 4))));
}

TEST_F(DicomWriterTest, HasTheHeartRateWhereItIsKnown) {
  DicomWriterOptions beating = options();
  beating.heart_rate = 71.6;
  EXPECT_THAT(read_file(write("beating.dcm", beating)),
              HasSubstr(element(0x0018, 0x1088, "IS", "72")));
  EXPECT_THAT(read_file(write("unknown.dcm", options())),
              ::testing::Not(HasSubstr(element(0x0018, 0x1088, "IS", "").substr(0, 6))));
}

TEST_F(DicomWriterTest, UidsFollowFromTheKeysAlone) {
  const DicomCine one = read_dicom_cine(write("one.dcm", options()));
  DicomWriterOptions other = options();
  other.image_key = "run ASD 11";
  const DicomCine two = read_dicom_cine(write("two.dcm", other));
  EXPECT_NE(one.sop_instance_uid, two.sop_instance_uid);
  EXPECT_EQ(one.study_instance_uid, two.study_instance_uid);
  EXPECT_EQ(one.sop_instance_uid, uid_from("image run ASD 10"));
  EXPECT_EQ(read_file(write("again.dcm", options())), read_file(folder_ / "one.dcm"));
}

// From Python: h = bytearray(hashlib.sha256(b'echopath').digest()[:16]); h[6] = h[6] & 15 | 128;
// h[8] = h[8] & 63 | 128; int.from_bytes(h, 'big')
TEST_F(DicomWriterTest, UidIsTheDecimalNumberOfAUuid) {
  EXPECT_EQ(uid_from("echopath"), "2.25.226334403886651247086060138516983885091");
  EXPECT_THAT(uid_from("x"), MatchesRegex("2\\.25\\.[1-9][0-9]*"));
  EXPECT_LE(uid_from("x").size(), 64U);
}

TEST_F(DicomWriterTest, RefusesWhatDicomCannotHold) {
  EXPECT_THROW(DicomWriter(folder_ / "a.dcm", options(0)), UsageError);
  EXPECT_THROW(DicomWriter(folder_ / "a.dcm", options(70000)), UsageError);
  EXPECT_THROW(DicomWriter(folder_ / "a.dcm", options(60000, 60000, 2)), UsageError);
  EXPECT_FALSE(fs::exists(folder_ / "a.dcm"));
}

TEST_F(DicomWriterTest, MissingFramesLeaveNoFile) {
  DicomWriter writer(folder_ / "a.dcm", options());
  writer.write(counting(options()).data());
  EXPECT_THROW(writer.finish(), DataError);
  EXPECT_FALSE(fs::exists(folder_ / "a.dcm"));
}

}  // namespace
}  // namespace echopath::io
