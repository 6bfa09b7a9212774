#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace echopath::evaluation {

/// Values under a name; the first series of a histogram is drawn in grey, the next ones in colours.
struct HistogramSeries {
  std::string name;
  std::vector<double> values;
};

/// Counts of several series over common bins of equal width, and a value to mark.
class Histogram {
 public:
  /// `series` must hold a value; the bins reach from the smallest to the largest of all.
  Histogram(std::vector<HistogramSeries> series, std::optional<double> mark, int bins = 40);

  double low() const { return low_; }
  double high() const { return high_; }
  /// counts()[s][b]: values of series s in bin b; the last bin holds its upper bound too.
  const std::vector<std::vector<std::int64_t>>& counts() const { return counts_; }

  /// One row per bin: `BinLow,BinHigh` and a column for each series.
  void write_csv(const std::filesystem::path& path) const;
  /// The shares of each series drawn over one another, `mark` as a vertical line.
  void write_png(const std::filesystem::path& path, const std::string& title) const;

 private:
  std::vector<HistogramSeries> series_;
  std::optional<double> mark_;
  double low_ = 0.0;
  double high_ = 1.0;
  std::vector<std::vector<std::int64_t>> counts_;
};

}  // namespace echopath::evaluation
