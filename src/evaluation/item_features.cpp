#include "echopath/evaluation/item_features.hpp"

#include "echopath/core/errors.hpp"

namespace echopath::evaluation {
namespace {

constexpr std::int64_t kFramesAtOnce = 64;
/// Rows of one matrix product, so that memory stays bounded.
constexpr std::int64_t kRowsAtOnce = 2048;

void require_finite(const at::Tensor& rows) {
  if (!at::isfinite(rows).all().item<bool>()) {
    throw DataError(
        "there are features that are not finite numbers; the network's weights are damaged, or its "
        "input is");
  }
}

}  // namespace

std::vector<std::string> ItemFeatures::patients() const {
  std::vector<std::string> names;
  for (const data::Study& study : items) names.push_back(study.patient_id);
  return names;
}

at::Tensor item_similarity(const ItemFeatures& a, const ItemFeatures& b) {
  if (a.rows.size(1) != b.rows.size(1)) {
    throw DataError("features of width " + std::to_string(a.rows.size(1)) +
                    " cannot be compared with features of width " + std::to_string(b.rows.size(1)));
  }
  require_finite(a.rows);
  require_finite(b.rows);
  const auto rows_b = static_cast<std::int64_t>(b.items.size());
  const at::Tensor columns = at::tensor(b.item, at::kLong);
  at::Tensor nearest =
      at::full({static_cast<std::int64_t>(a.items.size()), rows_b}, -2.0, at::kFloat);
  for (std::int64_t first = 0; first < a.rows.size(0); first += kRowsAtOnce) {
    const at::Tensor part = a.rows.slice(0, first, first + kRowsAtOnce);
    const at::Tensor similarity = models::pearson_similarity(part, b.rows);
    const at::Tensor by_item =
        at::full({part.size(0), rows_b}, -2.0, at::kFloat)
            .scatter_reduce(1, columns.expand({part.size(0), -1}), similarity, "amax");
    const at::Tensor lines = at::tensor(
        std::vector<std::int64_t>(a.item.begin() + first, a.item.begin() + first + part.size(0)),
        at::kLong);
    nearest = nearest.scatter_reduce(0, lines.unsqueeze(1).expand({-1, rows_b}), by_item, "amax");
  }
  return nearest;
}

NearestRow nearest_rows(const at::Tensor& a, const at::Tensor& b) {
  require_finite(a);
  require_finite(b);
  NearestRow nearest;
  for (const at::Tensor& part : a.split(kRowsAtOnce)) {
    const auto [largest, places] = models::pearson_similarity(part, b).max(1);
    const at::Tensor values = largest.to(at::kDouble).contiguous();
    const at::Tensor rows = places.contiguous();
    nearest.similarity.insert(nearest.similarity.end(), values.const_data_ptr<double>(),
                              values.const_data_ptr<double>() + values.numel());
    nearest.row.insert(nearest.row.end(), rows.const_data_ptr<std::int64_t>(),
                       rows.const_data_ptr<std::int64_t>() + rows.numel());
  }
  return nearest;
}

at::Tensor embed_frames(models::ReIdNet& network, const at::Tensor& frames, at::Device device) {
  const at::NoGradGuard no_grad;
  std::vector<at::Tensor> parts;
  for (const at::Tensor& part : frames.split(kFramesAtOnce)) {
    parts.push_back(network->embed(part.to(device)).to(at::kFloat).cpu());
  }
  return at::cat(parts);
}

}  // namespace echopath::evaluation
