#include "io/dicom_layout.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>

namespace echopath::io {
namespace {

constexpr std::array<std::string_view, 21> kShortVr = {"AE", "AS", "AT", "CS", "DA", "DS", "DT",
                                                       "FL", "FD", "IS", "LO", "LT", "PN", "SH",
                                                       "SL", "SS", "ST", "TM", "UI", "UL", "US"};
constexpr std::array<std::string_view, 13> kLongVr = {"OB", "OD", "OF", "OL", "OV", "OW", "SQ",
                                                      "SV", "UC", "UN", "UR", "UT", "UV"};

template <std::size_t N>
bool contains(const std::array<std::string_view, N>& list, std::string_view vr) {
  return std::find(list.begin(), list.end(), vr) != list.end();
}

}  // namespace

bool is_dicom_vr(const char* two_characters) {
  const std::string_view vr(two_characters, 2);
  return contains(kShortVr, vr) || contains(kLongVr, vr);
}

bool has_long_length(const std::string& vr) {
  return contains(kLongVr, vr);
}

DicomStart find_dicom_start(std::istream& stream) {
  std::array<char, 132> head{};
  stream.seekg(0);
  stream.read(head.data(), head.size());
  const auto got = stream.gcount();
  stream.clear();
  DicomStart start;
  if (got == 132 && std::memcmp(head.data() + 128, "DICM", 4) == 0) {
    start.is_dicom = true;
    start.offset = 132;
    return start;
  }
  if (got < 8) return start;
  const int group = static_cast<unsigned char>(head[0]) | static_cast<unsigned char>(head[1]) << 8;
  const int element = static_cast<unsigned char>(head[2]) | static_cast<unsigned char>(head[3])
                                                                << 8;
  start.explicit_vr = is_dicom_vr(head.data() + 4);
  const bool meta = group == 2 && element <= 0x10 && start.explicit_vr;
  // The first element of a bare data set: group length, character set, or an identifying element
  // with a plausible length.
  const bool identifying = group == 8 && element <= 0x60;
  const bool plausible = start.explicit_vr || (head[6] == 0 && head[7] == 0);
  start.is_dicom = meta || (identifying && plausible);
  return start;
}

}  // namespace echopath::io
