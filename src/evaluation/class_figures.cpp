#include "echopath/evaluation/class_figures.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>

namespace echopath::evaluation {
namespace {

constexpr double kNotANumber = std::numeric_limits<double>::quiet_NaN();
/// Real videos of a class from which its interval says something.
constexpr std::int64_t kLeastForOrder = 3;

double mean_of(const std::vector<double>& values, const std::vector<std::size_t>& rows) {
  double sum = 0.0;
  for (const std::size_t row : rows) sum += values[row];
  return rows.empty() ? kNotANumber : sum / static_cast<double>(rows.size());
}

std::string text_of(double value) {
  if (std::isnan(value)) return "-";
  char text[32];
  std::snprintf(text, sizeof text, "%.3f", value);
  return text;
}

std::string text_of(const Interval& interval) {
  if (std::isnan(interval.estimate)) return "-";
  return text_of(interval.estimate) + " [" + text_of(interval.low) + ", " + text_of(interval.high) +
         "]";
}

std::string table_line(const std::vector<std::string>& cells) {
  constexpr int kWidths[] = {26, 10, 6, 26, 6, 26, 0};
  std::string line;
  for (std::size_t i = 0; i < cells.size(); ++i) {
    line += cells[i];
    // Two columns at least, by letters and not by bytes.
    const auto room = static_cast<std::size_t>(kWidths[i]);
    if (i + 1 < cells.size()) line.append(room > cells[i].size() ? room - cells[i].size() : 1, ' ');
  }
  return line + "\n";
}

}  // namespace

void VideoFigures::add(double value, const std::string& class_name, const std::string& patient) {
  values.push_back(value);
  classes.push_back(class_name);
  patients.push_back(patient);
}

VideoFigures VideoFigures::of_class(const std::string& class_name) const {
  VideoFigures chosen;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (classes[i] != class_name || std::isnan(values[i])) continue;
    chosen.add(values[i], classes[i], patients[i]);
  }
  return chosen;
}

Interval mean_interval(const VideoFigures& figures) {
  if (figures.values.empty()) return {kNotANumber, kNotANumber, kNotANumber};
  return grouped_bootstrap(figures.patients, [&](const std::vector<std::size_t>& rows) {
    return mean_of(figures.values, rows);
  });
}

Interval share_interval(const VideoFigures& figures) {
  if (figures.values.empty()) return {kNotANumber, kNotANumber, kNotANumber};
  return bounded_bootstrap(figures.patients, [&](const std::vector<std::size_t>& rows) {
    return mean_of(figures.values, rows);
  });
}

Interval ratio_of_means(const VideoFigures& above, const VideoFigures& below) {
  if (above.values.empty() || below.values.empty()) return {kNotANumber, kNotANumber, kNotANumber};
  std::vector<double> values = above.values;
  values.insert(values.end(), below.values.begin(), below.values.end());
  std::vector<std::string> groups;
  for (const std::string& patient : above.patients) groups.push_back("a" + patient);
  for (const std::string& patient : below.patients) groups.push_back("b" + patient);
  const std::size_t first_below = above.values.size();
  return grouped_bootstrap(groups, [&](const std::vector<std::size_t>& rows) {
    std::vector<std::size_t> upper, lower;
    for (const std::size_t row : rows) (row < first_below ? upper : lower).push_back(row);
    const double divisor = mean_of(values, lower);
    return divisor == 0.0 ? kNotANumber : mean_of(values, upper) / divisor;
  });
}

FigureComparison compare_by_class(const FigureName& name, const VideoFigures& real,
                                  const VideoFigures& synthetic,
                                  const std::vector<std::string>& classes) {
  FigureComparison comparison{name.name, name.unit, {}, {}};
  for (const std::string& class_name : classes) {
    const VideoFigures of_real = real.of_class(class_name);
    const VideoFigures of_synthetic = synthetic.of_class(class_name);
    ClassRow row;
    row.class_name = class_name;
    row.real_count = static_cast<std::int64_t>(of_real.values.size());
    row.synthetic_count = static_cast<std::int64_t>(of_synthetic.values.size());
    row.real = mean_interval(of_real);
    row.synthetic = mean_interval(of_synthetic);
    row.ratio = ratio_of_means(of_synthetic, of_real);
    comparison.rows.push_back(row);
  }
  for (const ClassRow& lower : comparison.rows) {
    for (const ClassRow& higher : comparison.rows) {
      if (std::min(lower.real_count, higher.real_count) < kLeastForOrder) continue;
      if (!(lower.real.high < higher.real.low)) continue;
      if (lower.synthetic_count == 0 || higher.synthetic_count == 0) continue;
      comparison.order.push_back({lower.class_name, higher.class_name,
                                  lower.synthetic.estimate < higher.synthetic.estimate});
    }
  }
  return comparison;
}

config::Json number_or_null(double value) {
  return std::isfinite(value) ? config::Json(value) : config::Json();
}

config::Json to_json(const Interval& interval) {
  return {{"estimate", number_or_null(interval.estimate)},
          {"low", number_or_null(interval.low)},
          {"high", number_or_null(interval.high)}};
}

config::Json FigureComparison::to_json() const {
  config::Json by_class = config::Json::array(), pairs = config::Json::array();
  for (const ClassRow& row : rows) {
    by_class.push_back({{"class", row.class_name},
                        {"real_videos", row.real_count},
                        {"synthetic_videos", row.synthetic_count},
                        {"real", evaluation::to_json(row.real)},
                        {"synthetic", evaluation::to_json(row.synthetic)},
                        {"ratio", evaluation::to_json(row.ratio)}});
  }
  for (const ClassOrder& pair : order) {
    pairs.push_back({{"lower", pair.lower}, {"higher", pair.higher}, {"kept", pair.kept}});
  }
  return {{"name", name}, {"unit", unit}, {"classes", by_class}, {"order", pairs}};
}

std::string table_of(const std::vector<FigureComparison>& comparisons) {
  std::string table =
      table_line({"figure", "class", "N", "real", "N", "synthetic", "synthetic / real"});
  for (const FigureComparison& comparison : comparisons) {
    const std::string name =
        comparison.name + (comparison.unit.empty() ? "" : ", " + comparison.unit);
    for (const ClassRow& row : comparison.rows) {
      table += table_line({name, row.class_name, std::to_string(row.real_count), text_of(row.real),
                           std::to_string(row.synthetic_count), text_of(row.synthetic),
                           text_of(row.ratio)});
    }
  }
  return table;
}

}  // namespace echopath::evaluation
