#include "evaluation/neighbourhoods.hpp"

#include <algorithm>
#include <limits>
#include <tuple>
#include <utility>

#include "echopath/core/interrupt.hpp"
#include "echopath/evaluation/jackknife.hpp"
#include "evaluation/metric_checks.hpp"

namespace echopath::evaluation {
namespace {

constexpr std::int64_t kParts = 2;
constexpr float kFar = std::numeric_limits<float>::infinity();

/// Where in a block of rows [n] those of a part are.
at::Tensor places_of(const at::Tensor& parts, std::int64_t part) {
  return parts.eq(part).nonzero().squeeze(1);
}

/// Calls `use(deal, part, rows, columns)` with the places of every part that has any among these
/// rows and among these columns, [L, n] and [L, m].
template <class Use>
void for_each_part(const at::Tensor& row_parts, const at::Tensor& column_parts, const Use& use) {
  for (std::int64_t deal = 0; deal < row_parts.size(0); ++deal) {
    for (std::int64_t part = 0; part < kParts; ++part) {
      const at::Tensor rows = places_of(row_parts.select(0, deal), part);
      const at::Tensor columns = places_of(column_parts.select(0, deal), part);
      if (rows.numel() > 0 && columns.numel() > 0) use(deal, part, rows, columns);
    }
  }
}

at::Tensor chosen(const at::Tensor& matrix, const at::Tensor& rows, const at::Tensor& columns) {
  return matrix.index_select(0, rows).index_select(1, columns);
}

/// A block of rows, from `first` on, against all of the others: calls `use(j, distances)` with the
/// distances [n, m] float32 to every block of them, which starts at row j.
template <class Use>
void meet(const FeatureTable& rows, std::int64_t first, const FeatureTable& columns,
          std::int64_t block, const Use& use) {
  throw_if_interrupted("stopped by a signal; features computed so far are kept");
  const at::Tensor wide = rows.features.slice(0, first, first + block).to(at::kDouble);
  for (std::int64_t j = 0; j < columns.rows(); j += block) {
    const at::Tensor others = columns.features.slice(0, j, j + block).to(at::kDouble);
    const at::Tensor distances = at::cdist(wide, others).to(at::kFloat);
    if (!distances.isfinite().all().item<bool>()) {
      refuse_overflow("distance of features", rows, columns);
    }
    use(j, distances);
  }
}

/// Puts a block of distances [n, m] among the least ones of its rows, [L, n, K].
void keep_least(const at::Tensor& least, const at::Tensor& distances, const at::Tensor& row_parts,
                const at::Tensor& column_parts) {
  for_each_part(
      row_parts, column_parts,
      [&](std::int64_t deal, std::int64_t, const at::Tensor& rows, const at::Tensor& columns) {
        const at::Tensor known = least.select(0, deal);
        const at::Tensor all =
            at::cat({known.index_select(0, rows), chosen(distances, rows, columns)}, 1);
        known.index_copy_(
            0, rows, std::get<0>(all.topk(least.size(2), 1, /*largest=*/false, /*sorted=*/true)));
      });
}

/// How far the neighbour of each of these ranks (1: the nearest) is from every row within its part
/// of each deal, [L, N, ranks] float32; infinitely far where there is none. A row itself and rows
/// of its patient are no neighbours.
at::Tensor radii_of(const FeatureTable& table, const at::Tensor& parts,
                    const MetricProtocol& protocol, const std::vector<std::int64_t>& ranks,
                    std::int64_t block) {
  const at::Tensor owners =
      protocol.neighbours == "any" ? at::arange(table.rows()) : patients_of(table);
  const std::int64_t deals = parts.size(0);
  const std::int64_t most = *std::max_element(ranks.begin(), ranks.end());
  const at::Tensor places = at::tensor(ranks, at::kLong) - 1;
  const at::Tensor radii =
      at::empty({deals, table.rows(), static_cast<std::int64_t>(ranks.size())}, at::kFloat);
  for (std::int64_t i = 0; i < table.rows(); i += block) {
    const at::Tensor own = owners.slice(0, i, i + block).unsqueeze(1);
    const at::Tensor row_parts = parts.slice(1, i, i + block);
    const at::Tensor least = at::full({deals, own.size(0), most}, kFar, at::kFloat);
    meet(table, i, table, block, [&](std::int64_t j, const at::Tensor& distances) {
      distances.masked_fill_(own == owners.slice(0, j, j + block), kFar);
      keep_least(least, distances, row_parts, parts.slice(1, j, j + block));
    });
    radii.slice(1, i, i + block).copy_(least.index_select(2, places));
  }
  return radii;
}

/// Who lies within whose radius, gathered block by block of the distances between the sides.
class Encounters {
 public:
  /// `real_radii` [L, N, 2], of precision and of density; `synthetic_radii` [L, M, 1].
  Encounters(const Deals& deals, at::Tensor real_radii, at::Tensor synthetic_radii)
      : deals_(deals),
        real_radii_(std::move(real_radii)),
        synthetic_radii_(std::move(synthetic_radii)),
        precise_(at::zeros(deals.synthetic.sizes(), at::kBool)),
        recalled_(at::zeros(deals.real.sizes(), at::kBool)),
        covered_(at::zeros(deals.real.sizes(), at::kBool)),
        dense_(static_cast<std::size_t>(deals.real.size(0))) {}

  /// Distances [n, m] of the real rows from i on to the synthetic ones from j on.
  void add(std::int64_t i, std::int64_t j, const at::Tensor& distances) {
    const std::int64_t n = distances.size(0), m = distances.size(1);
    for_each_part(
        deals_.real.slice(1, i, i + n), deals_.synthetic.slice(1, j, j + m),
        [&](std::int64_t deal, std::int64_t part, const at::Tensor& rows,
            const at::Tensor& columns) {
          const at::Tensor across = chosen(distances, rows, columns);
          const at::Tensor radii =
              real_radii_.select(0, deal).slice(0, i, i + n).index_select(0, rows);
          const at::Tensor made =
              synthetic_radii_.select(0, deal).slice(0, j, j + m).index_select(0, columns).t();
          const at::Tensor within_dense = across <= radii.slice(1, 1, 2);
          mark(precise_.select(0, deal).slice(0, j, j + m), columns,
               (across <= radii.slice(1, 0, 1)).any(0));
          mark(recalled_.select(0, deal).slice(0, i, i + n), rows, (across <= made).any(1));
          mark(covered_.select(0, deal).slice(0, i, i + n), rows, within_dense.any(1));
          dense_[static_cast<std::size_t>(deal)][static_cast<std::size_t>(part)] +=
              within_dense.sum().item<std::int64_t>();
        });
  }

  std::array<PartFigures, kParts> figures(std::int64_t deal,
                                          std::int64_t density_neighbours) const {
    std::array<PartFigures, kParts> result;
    for (std::int64_t part = 0; part < kParts; ++part) {
      const at::Tensor rows = places_of(deals_.real.select(0, deal), part);
      const at::Tensor columns = places_of(deals_.synthetic.select(0, deal), part);
      if (!have_neighbours(real_radii_.select(0, deal), rows) ||
          !have_neighbours(synthetic_radii_.select(0, deal), columns)) {
        continue;
      }
      const auto index = static_cast<std::size_t>(part);
      const auto pairs = static_cast<double>(dense_[static_cast<std::size_t>(deal)][index]);
      result[index].has_neighbours = true;
      result[index].values = {
          share(precise_.select(0, deal), columns), share(recalled_.select(0, deal), rows),
          pairs / static_cast<double>(columns.size(0)) / static_cast<double>(density_neighbours),
          share(covered_.select(0, deal), rows)};
    }
    return result;
  }

 private:
  static void mark(const at::Tensor& marks, const at::Tensor& places, const at::Tensor& yes) {
    marks.index_copy_(0, places, marks.index_select(0, places).logical_or(yes));
  }

  static bool have_neighbours(const at::Tensor& radii, const at::Tensor& places) {
    return places.numel() > 0 && radii.index_select(0, places).isfinite().all().item<bool>();
  }

  static double share(const at::Tensor& marks, const at::Tensor& places) {
    return marks.index_select(0, places).to(at::kDouble).mean().item<double>();
  }

  const Deals& deals_;
  at::Tensor real_radii_, synthetic_radii_;
  at::Tensor precise_;             ///< [L, M]: synthetic rows within a real one's radius
  at::Tensor recalled_, covered_;  ///< [L, N]: real rows within a synthetic one's, with one within
  std::vector<std::array<std::int64_t, kParts>> dense_;  ///< pairs within a radius of density
};

}  // namespace

at::Tensor patients_of(const FeatureTable& table) {
  return make_folds(table, table.rows(), 0).fold_of_row;
}

std::vector<std::array<PartFigures, 2>> neighbourhood_figures(const FeatureTable& real,
                                                              const FeatureTable& synthetic,
                                                              const MetricProtocol& protocol,
                                                              const Deals& deals,
                                                              std::int64_t block) {
  const std::int64_t precise = protocol.precision_neighbours;
  const std::int64_t dense = protocol.density_neighbours;
  const at::Tensor real_radii = radii_of(real, deals.real, protocol, {precise, dense}, block);
  const at::Tensor synthetic_radii =
      radii_of(synthetic, deals.synthetic, protocol, {precise}, block);
  Encounters encounters(deals, real_radii, synthetic_radii);
  for (std::int64_t i = 0; i < real.rows(); i += block) {
    meet(real, i, synthetic, block,
         [&](std::int64_t j, const at::Tensor& distances) { encounters.add(i, j, distances); });
  }
  std::vector<std::array<PartFigures, 2>> figures;
  for (std::int64_t deal = 0; deal < deals.real.size(0); ++deal) {
    figures.push_back(encounters.figures(deal, dense));
  }
  return figures;
}

}  // namespace echopath::evaluation
