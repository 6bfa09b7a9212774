#include "evaluation/histogram.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <opencv2/imgproc.hpp>

#include "echopath/core/files.hpp"
#include "echopath/io/csv.hpp"
#include "echopath/io/png.hpp"

namespace echopath::evaluation {
namespace {

constexpr int kWidth = 760, kHeight = 380;
constexpr int kLeft = 60, kRight = 20, kTop = 64, kBottom = 44;

std::string short_number(double value) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.4g", value);
  return text;
}

/// Blue, green, red.
cv::Scalar colour_of(std::size_t series) {
  const cv::Scalar colours[] = {{120, 120, 120}, {40, 110, 220}, {180, 120, 30}, {60, 150, 60}};
  return colours[std::min<std::size_t>(series, 3)];
}

void write_words(cv::Mat& picture, const std::string& words, cv::Point at, const cv::Scalar& ink) {
  cv::putText(picture, words, at, cv::FONT_HERSHEY_SIMPLEX, 0.45, ink, 1, cv::LINE_AA);
}

}  // namespace

Histogram::Histogram(std::vector<HistogramSeries> series, std::optional<double> mark, int bins)
    : series_(std::move(series)), mark_(mark) {
  double low = std::numeric_limits<double>::infinity(), high = -low;
  for (const HistogramSeries& one : series_) {
    for (const double value : one.values) {
      low = std::min(low, value);
      high = std::max(high, value);
    }
  }
  if (std::isfinite(low)) {
    low_ = low;
    high_ = high;
  }
  if (!(high_ > low_)) high_ = low_ + 1e-6;
  const double width = (high_ - low_) / bins;
  for (const HistogramSeries& one : series_) {
    std::vector<std::int64_t> counts(static_cast<std::size_t>(bins), 0);
    for (const double value : one.values) {
      const int bin = std::clamp(static_cast<int>((value - low_) / width), 0, bins - 1);
      ++counts[static_cast<std::size_t>(bin)];
    }
    counts_.push_back(std::move(counts));
  }
}

void Histogram::write_csv(const std::filesystem::path& path) const {
  io::CsvTable table;
  table.columns = {"BinLow", "BinHigh"};
  for (const HistogramSeries& one : series_) table.columns.push_back(one.name);
  const std::size_t bins = counts_.empty() ? 0 : counts_.front().size();
  const double width = (high_ - low_) / static_cast<double>(bins);
  for (std::size_t bin = 0; bin < bins; ++bin) {
    std::vector<std::string> row;
    for (const std::size_t edge : {bin, bin + 1}) {
      char text[32];
      std::snprintf(text, sizeof(text), "%.6f", low_ + width * static_cast<double>(edge));
      row.emplace_back(text);
    }
    for (const auto& counts : counts_) row.push_back(std::to_string(counts[bin]));
    table.rows.push_back(std::move(row));
  }
  io::write_csv(path, table);
}

void Histogram::write_png(const std::filesystem::path& path, const std::string& title) const {
  const cv::Scalar ink(30, 30, 30);
  cv::Mat picture(kHeight, kWidth, CV_8UC3, cv::Scalar(255, 255, 255));
  const int plot_width = kWidth - kLeft - kRight, floor = kHeight - kBottom;
  const auto x_of = [&](double value) {
    return kLeft + static_cast<int>(std::lround((value - low_) / (high_ - low_) * plot_width));
  };
  double largest = 0.0;
  std::vector<std::vector<double>> shares;
  for (std::size_t s = 0; s < counts_.size(); ++s) {
    std::vector<double> share;
    const auto total = static_cast<double>(std::max<std::size_t>(series_[s].values.size(), 1));
    for (const auto count : counts_[s]) share.push_back(static_cast<double>(count) / total);
    largest = std::max(largest, *std::max_element(share.begin(), share.end()));
    shares.push_back(std::move(share));
  }
  for (std::size_t s = 0; s < shares.size(); ++s) {
    cv::Mat layer = picture.clone();
    const double step = (high_ - low_) / static_cast<double>(shares[s].size());
    for (std::size_t bin = 0; bin < shares[s].size(); ++bin) {
      const int height =
          static_cast<int>(shares[s][bin] / std::max(largest, 1e-12) * (floor - kTop));
      cv::rectangle(layer, {x_of(low_ + step * static_cast<double>(bin)), floor - height},
                    {x_of(low_ + step * static_cast<double>(bin + 1)) - 1, floor}, colour_of(s),
                    cv::FILLED);
    }
    cv::addWeighted(layer, 0.55, picture, 0.45, 0, picture);
    write_words(picture, series_[s].name + " (" + std::to_string(series_[s].values.size()) + ")",
                {kLeft + static_cast<int>(s) * 230, 46}, colour_of(s));
  }
  cv::line(picture, {kLeft, floor}, {kWidth - kRight, floor}, ink);
  write_words(picture, title, {kLeft, 22}, ink);
  for (int tick = 0; tick <= 4; ++tick) {
    const double value = low_ + (high_ - low_) * tick / 4;
    write_words(picture, short_number(value), {x_of(value) - 20, kHeight - 18}, ink);
  }
  if (mark_) {
    const int x = std::clamp(x_of(*mark_), kLeft, kWidth - kRight);
    cv::line(picture, {x, kTop - 8}, {x, floor}, cv::Scalar(0, 0, 200), 1, cv::LINE_AA);
    write_words(picture, "tau " + short_number(*mark_), {std::max(kLeft, x - 90), kTop + 4},
                cv::Scalar(0, 0, 200));
  }
  write_file(path, io::png_of(picture));
}

}  // namespace echopath::evaluation
