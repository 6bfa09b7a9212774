#include "echopath/core/text.hpp"

#include <gtest/gtest.h>

#include <limits>

namespace echopath {
namespace {

using Texts = std::vector<std::string>;

TEST(NearestName, FindsTheCandidateWithTheFewestEdits) {
  const Texts names = {"learning_rate", "learning_rates", "batch_size", "steps"};
  EXPECT_EQ(nearest_name("learning_rte", names), "learning_rate");
  EXPECT_EQ(nearest_name("batchsize", names), "batch_size");
  EXPECT_EQ(nearest_name("step", names), "steps");
}

TEST(NearestName, TakesUpperAndLowerCaseAsOne) {
  EXPECT_EQ(nearest_name("asd", {"PAH", "ASD"}), "ASD");
}

TEST(NearestName, IsEmptyWhereNothingIsNear) {
  EXPECT_EQ(nearest_name("abcd", {"wxyz"}), "");
  EXPECT_EQ(nearest_name("abcdef", {"abc"}), "abc");  // three edits, half of six
  EXPECT_EQ(nearest_name("abcdef", {"ab"}), "");
  EXPECT_EQ(nearest_name("a", {"ab3"}), "ab3");  // two edits are always near
  EXPECT_EQ(nearest_name("a", {}), "");
}

TEST(Split, KeepsEmptyParts) {
  EXPECT_EQ(split("a,,b,", ','), (Texts{"a", "", "b", ""}));
  EXPECT_EQ(split("", ','), Texts{""});
  EXPECT_EQ(split("70,15,15", ','), (Texts{"70", "15", "15"}));
}

TEST(Join, IsTheInverseOfSplit) {
  EXPECT_EQ(join({"a", "", "b"}, ", "), "a, , b");
  EXPECT_EQ(join({}, ", "), "");
}

TEST(Trim, RemovesWhiteSpaceAtBothEnds) {
  EXPECT_EQ(trim(" \t a b\r\n"), "a b");
  EXPECT_EQ(trim("   "), "");
  EXPECT_EQ(trim(""), "");
}

TEST(ToLower, LeavesOtherCharacters) {
  EXPECT_EQ(to_lower("Tetralogy-É 4"), "tetralogy-É 4");
}

TEST(QuotedText, StaysOnOneLineAndShort) {
  EXPECT_EQ(quoted_text("a\nb\tc\x7F"), "'a?b?c?'");
  EXPECT_EQ(quoted_text(std::string(80, 'x')), "'" + std::string(80, 'x') + "'");
  EXPECT_EQ(quoted_text(std::string(81, 'x')), "'" + std::string(80, 'x') + "…'");
}

TEST(HumanBytes, ChoosesUnitAndDigits) {
  EXPECT_EQ(human_bytes(0), "0 B");
  EXPECT_EQ(human_bytes(999), "999 B");
  EXPECT_EQ(human_bytes(1000), "1.0 kB");
  EXPECT_EQ(human_bytes(9940), "9.9 kB");
  EXPECT_EQ(human_bytes(9960), "10 kB");
  EXPECT_EQ(human_bytes(312e3), "312 kB");
  EXPECT_EQ(human_bytes(999'600), "1.0 MB");
  EXPECT_EQ(human_bytes(5.2e9), "5.2 GB");
  EXPECT_EQ(human_bytes(3e18), "3000 PB");
  EXPECT_EQ(human_bytes(std::numeric_limits<double>::infinity()), "unknown");
}

TEST(HumanDuration, ShowsTheTwoLargestUnits) {
  EXPECT_EQ(human_duration(0.31), "0.3 s");
  EXPECT_EQ(human_duration(9.96), "10 s");
  EXPECT_EQ(human_duration(41.4), "41 s");
  EXPECT_EQ(human_duration(59.7), "1 min 0 s");
  EXPECT_EQ(human_duration(185), "3 min 5 s");
  EXPECT_EQ(human_duration(2 * 3600 + 13 * 60 + 59), "2 h 13 min");
  EXPECT_EQ(human_duration(3 * 86400 + 4 * 3600), "3 d 4 h");
  EXPECT_EQ(human_duration(-1), "unknown");
  EXPECT_EQ(human_duration(std::numeric_limits<double>::quiet_NaN()), "unknown");
}

}  // namespace
}  // namespace echopath
