#include "core/progress_line.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace echopath {
namespace {

using ::testing::HasSubstr;

ProgressParts training() {
  return {"training", 412, 5000, ", 3 h 2 min left",
          "loss 0.1234, lr 0.0003, 9.1 samples/s, 2.1 GB"};
}

TEST(ProgressLine, SetsAllPartsInAPlainLine) {
  EXPECT_EQ(plain_progress_line(training()),
            "training 412/5000 (8 %), 3 h 2 min left, loss 0.1234, lr 0.0003, 9.1 samples/s, "
            "2.1 GB");
  EXPECT_EQ(plain_progress_line({"reading", 7, 0, "", ""}), "reading 7");
  EXPECT_EQ(plain_progress_line({"reading", 7, 7, " in 3 s", ""}), "reading 7/7 (100 %) in 3 s");
}

TEST(ProgressLine, HasABarThatShrinksWithTheTerminal) {
  EXPECT_EQ(fitted_progress_line(training(), 200),
            "training [=>                  ] 412/5000 (8 %), 3 h 2 min left, loss 0.1234, "
            "lr 0.0003, 9.1 samples/s, 2.1 GB");
  const std::string narrow = fitted_progress_line(training(), 98);
  EXPECT_EQ(narrow.size(), 98U);
  EXPECT_THAT(narrow, HasSubstr("training [>        ] 412/5000 (8 %)"));
}

TEST(ProgressLine, KeepsEveryFigureInEightyColumns) {
  EXPECT_EQ(fitted_progress_line(training(), 79),
            "412/5000, 3 h 2 min left, loss 0.1234, lr 0.0003, 9.1 samples/s, 2.1 GB");
  // As long as the figures of a training become.
  const ProgressParts longest{"training", 99999, 100000, ", 23 h 46 min left",
                              "loss 1.234e-05, lr 1.234e-05, 1234 samples/s, 999 MB"};
  EXPECT_EQ(fitted_progress_line(longest, 79),
            "99999/100000 23 h 46 min left loss 1.234e-05 lr 1.234e-05 1234 samples/s 999 MB");
}

TEST(ProgressLine, CutsWhatDoesNotFitBetweenCharacters) {
  const ProgressParts parts{"x", 1, 2, "", "äöü"};
  EXPECT_EQ(fitted_progress_line(parts, 7), "1/2 äöü");
  EXPECT_EQ(fitted_progress_line(parts, 5), "1/2 ä");
}

}  // namespace
}  // namespace echopath
