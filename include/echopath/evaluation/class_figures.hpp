#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "echopath/config/options.hpp"
#include "echopath/core/statistics.hpp"

namespace echopath::evaluation {

/// One figure of each video of a set. Values that are not numbers stand for videos on which it
/// could not be measured; they are left out and not counted.
struct VideoFigures {
  std::vector<double> values;
  std::vector<std::string> classes;
  std::vector<std::string> patients;  ///< rows of one patient are resampled together

  void add(double value, const std::string& class_name, const std::string& patient);
  /// Those of one class whose values are numbers.
  VideoFigures of_class(const std::string& class_name) const;
};

/// Mean with its 95 % interval by bootstrap over patients; not numbers where there is no value.
Interval mean_interval(const VideoFigures& figures);

/// The same of values from 0 to 1; where all agree, with the bounds of bounded_bootstrap().
Interval share_interval(const VideoFigures& figures);
/// Mean of `above` over the mean of `below`, with the interval over the patients of both. Patients
/// of the two sets are told apart whatever their names.
Interval ratio_of_means(const VideoFigures& above, const VideoFigures& below);

/// A figure of one class, real beside synthetic.
struct ClassRow {
  std::string class_name;
  std::int64_t real_count = 0;
  std::int64_t synthetic_count = 0;
  Interval real;
  Interval synthetic;
  Interval ratio;  ///< synthetic over real; not numbers where one of them is missing or 0
};

/// Two classes whose real means differ beyond their intervals, of three videos each at least.
struct ClassOrder {
  std::string lower, higher;  ///< of the real means
  bool kept = false;          ///< whether the synthetic means lie the same way
};

struct FigureComparison {
  std::string name;
  std::string unit;  ///< "px", say; may be empty
  std::vector<ClassRow> rows;
  std::vector<ClassOrder> order;

  config::Json to_json() const;
};

/// What a figure is called, and in what unit.
struct FigureName {
  std::string name;
  std::string unit;
};

/// Compares class by class, in the order of `classes`. `synthetic` may be empty.
FigureComparison compare_by_class(const FigureName& name, const VideoFigures& real,
                                  const VideoFigures& synthetic,
                                  const std::vector<std::string>& classes);

/// {"estimate", "low", "high"}, null for what is no number.
config::Json to_json(const Interval& interval);
/// A number, or null where it is none.
config::Json number_or_null(double value);

/// A table as fixed-width text: figure, class, real N, mean and interval, synthetic ones, ratio.
std::string table_of(const std::vector<FigureComparison>& comparisons);

}  // namespace echopath::evaluation
