#pragma once

#include <ATen/ATen.h>

#include <array>
#include <cstdint>
#include <vector>

#include "echopath/core/errors.hpp"
#include "echopath/evaluation/feature_table.hpp"
#include "echopath/evaluation/protocol.hpp"

namespace echopath::evaluation {

/// Precision, recall, density and coverage, in this order.
using ManifoldValues = std::array<double, 4>;

/// Several deals of the rows of both sides to two parts each. A part's figures are those of its
/// rows alone, as if there were no others.
struct Deals {
  at::Tensor real;       ///< [L, N] int8: the part of a row in each deal, 0 or 1; -1 for neither
  at::Tensor synthetic;  ///< [L, M] int8
};

/// Of one part of a deal.
struct PartFigures {
  bool has_neighbours = false;  ///< rows on both sides, all with neighbours enough
  ManifoldValues values{};      ///< 0 where it has not

  bool operator==(const PartFigures&) const = default;
};

/// A side has fewer patients, or rows, than the neighbours that are looked for.
class TooFewNeighbours : public DataError {
 public:
  using DataError::DataError;
};

/// A number for the patient of every row, [N] int64.
at::Tensor patients_of(const FeatureTable& table);

/// Rows that meet others at once. A block of distances is 8 MB in float64.
constexpr std::int64_t kDistanceBlock = 1000;

/// The figures of every deal. Distances are computed in float64 and compared in float32, in blocks
/// of `block` rows by `block` rows, all deals with each block at hand: every distance is computed
/// once, and memory grows by about 11·L bytes for every real row and 6·L for every synthetic one,
/// not by N·M. Another `block` changes distances by the rounding of float64, and so hardly ever a
/// figure. Throws DataError on distances that overflow, Interrupted after a signal.
std::vector<std::array<PartFigures, 2>> neighbourhood_figures(const FeatureTable& real,
                                                              const FeatureTable& synthetic,
                                                              const MetricProtocol& protocol,
                                                              const Deals& deals,
                                                              std::int64_t block = kDistanceBlock);

}  // namespace echopath::evaluation
