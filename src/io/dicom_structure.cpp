#include "io/dicom_structure.hpp"

#include <array>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <string_view>

#include "echopath/core/errors.hpp"
#include "io/dicom_layout.hpp"

namespace echopath::io {
namespace {

constexpr std::uint32_t kUndefinedLength = 0xFFFFFFFFu;
constexpr std::uint32_t kItem = 0xFFFEE000u;
constexpr std::uint32_t kItemEnd = 0xFFFEE00Du;
constexpr std::uint32_t kSequenceEnd = 0xFFFEE0DDu;
constexpr std::uint32_t kPixelData = 0x7FE00010u;
constexpr std::uint32_t kTransferSyntax = 0x00020010u;
/// GDCM descends by recursion; real files nest less than ten deep.
constexpr int kDeepestNesting = 32;

struct Encoding {
  bool explicit_vr = true;
  bool big_endian = false;
};

struct Element {
  std::uint32_t tag = 0;
  std::string vr;
  std::uint32_t length = 0;
};

std::string tag_text(std::uint32_t tag) {
  char text[16];
  std::snprintf(text, sizeof text, "(%04X,%04X)", tag >> 16, tag & 0xFFFFu);
  return text;
}

class LengthWalker {
 public:
  explicit LengthWalker(const std::filesystem::path& path)
      : path_(path), stream_(path, std::ios::binary) {
    std::error_code error;
    size_ = std::filesystem::file_size(path, error);
    if (!stream_ || error) throw DataError("cannot read DICOM file '" + path.string() + "'");
  }

  std::string walk() {
    const DicomStart start = find_dicom_start(stream_);
    if (!start.is_dicom) throw DataError("'" + path_.string() + "' is not a DICOM file");
    seek(start.offset);
    walk_meta_group();
    const Encoding encoding = data_set_encoding(start);
    if (transfer_syntax_ == kDeflatedExplicitLittleEndian) {
      throw DataError("'" + path_.string() +
                      "' is stored deflated; write it uncompressed first (gdcmconv --raw)");
    }
    walk_elements(encoding, size_, 0);
    return transfer_syntax_.empty() ? kImplicitLittleEndian : transfer_syntax_;
  }

 private:
  void seek(std::uint64_t position) {
    position_ = position;
    stream_.seekg(static_cast<std::streamoff>(position));
  }

  void require(std::uint64_t bytes, std::uint64_t end, std::string_view what) {
    if (position_ > end || bytes > end - position_) {
      const std::uint64_t left = position_ > end ? 0 : end - position_;
      throw DataError("DICOM file '" + path_.string() +
                      "' is damaged or cut short: " + std::string(what) + " claims " +
                      std::to_string(bytes) + " bytes, " + std::to_string(left) + " are left");
    }
  }

  std::uint64_t read_unsigned(int bytes, bool big_endian) {
    std::array<unsigned char, 4> raw{};
    stream_.read(reinterpret_cast<char*>(raw.data()), bytes);
    position_ += static_cast<std::uint64_t>(bytes);
    std::uint64_t value = 0;
    for (int i = 0; i < bytes; ++i) {
      value = value << 8 | raw[static_cast<std::size_t>(big_endian ? i : bytes - 1 - i)];
    }
    return value;
  }

  std::uint32_t read_tag(bool big_endian) {
    const auto group = static_cast<std::uint32_t>(read_unsigned(2, big_endian));
    return group << 16 | static_cast<std::uint32_t>(read_unsigned(2, big_endian));
  }

  Element read_element_header(const Encoding& encoding, std::uint64_t end) {
    require(8, end, "a data element");
    Element element;
    element.tag = read_tag(encoding.big_endian);
    const bool delimiter = (element.tag >> 16) == 0xFFFEu;
    if (encoding.explicit_vr && !delimiter) {
      const std::uint64_t length_position = position_;
      char vr[2];
      stream_.read(vr, 2);
      position_ += 2;
      if (is_dicom_vr(vr)) {
        element.vr.assign(vr, 2);
        if (!has_long_length(element.vr)) {
          element.length = static_cast<std::uint32_t>(read_unsigned(2, encoding.big_endian));
          return element;
        }
        require(6, end, tag_text(element.tag));
        read_unsigned(2, encoding.big_endian);
      } else {
        // Some writers put implicit elements into explicit data sets; GDCM reads those too.
        seek(length_position);
      }
    }
    element.length = static_cast<std::uint32_t>(read_unsigned(4, encoding.big_endian));
    return element;
  }

  void walk_meta_group() {
    const Encoding encoding;
    while (position_ + 8 <= size_) {
      const std::uint64_t before = position_;
      const Element element = read_element_header(encoding, size_);
      if (element.tag >> 16 != 2u) {
        seek(before);
        return;
      }
      require(element.length, size_, tag_text(element.tag));
      if (element.tag == kTransferSyntax && element.length <= 128) {
        transfer_syntax_.resize(element.length);
        stream_.read(transfer_syntax_.data(), element.length);
        while (!transfer_syntax_.empty() &&
               (transfer_syntax_.back() == '\0' || transfer_syntax_.back() == ' ')) {
          transfer_syntax_.pop_back();
        }
      }
      seek(position_ + element.length);
    }
  }

  Encoding data_set_encoding(const DicomStart& start) const {
    if (transfer_syntax_.empty()) return {start.explicit_vr, false};
    if (transfer_syntax_ == kImplicitLittleEndian) return {false, false};
    return {true, transfer_syntax_ == kExplicitBigEndian};
  }

  void walk_elements(const Encoding& encoding, std::uint64_t end, int depth) {
    while (position_ + 8 <= end) {
      const Element element = read_element_header(encoding, end);
      if (element.tag == kItemEnd) return;
      walk_value(element, encoding, end, depth);
    }
  }

  void walk_value(const Element& element, const Encoding& encoding, std::uint64_t end, int depth) {
    if (depth > kDeepestNesting) {
      throw DataError("DICOM file '" + path_.string() + "' nests sequences more than " +
                      std::to_string(kDeepestNesting) + " deep");
    }
    // A sequence hidden under UN of undefined length is implicit little endian (PS3.5 6.2.2).
    const bool unknown = element.vr == "UN" && element.length == kUndefinedLength;
    const Encoding inner = unknown ? Encoding{false, false} : encoding;
    if (element.length == kUndefinedLength) {
      walk_items(inner, end, depth, element.tag == kPixelData);
      return;
    }
    require(element.length, end, tag_text(element.tag));
    const std::uint64_t value_end = position_ + element.length;
    if (element.vr == "SQ" && element.length > 0) walk_items(inner, value_end, depth, false);
    seek(value_end);
  }

  void walk_items(const Encoding& encoding, std::uint64_t end, int depth, bool fragments) {
    while (position_ + 8 <= end) {
      const Element item = read_element_header(encoding, end);
      if (item.tag == kSequenceEnd) return;
      if (item.tag != kItem) {
        throw DataError("DICOM file '" + path_.string() + "' is damaged: " + tag_text(item.tag) +
                        " stands where a sequence item should");
      }
      if (item.length == kUndefinedLength) {
        walk_elements(encoding, end, depth + 1);
        continue;
      }
      require(item.length, end, fragments ? "a fragment of the pixel data" : "a sequence item");
      const std::uint64_t item_end = position_ + item.length;
      if (!fragments) walk_elements(encoding, item_end, depth + 1);
      seek(item_end);
    }
  }

  std::filesystem::path path_;
  std::ifstream stream_;
  std::uint64_t size_ = 0;
  std::uint64_t position_ = 0;
  std::string transfer_syntax_;
};

}  // namespace

std::string check_dicom_lengths(const std::filesystem::path& path) {
  return LengthWalker(path).walk();
}

}  // namespace echopath::io
