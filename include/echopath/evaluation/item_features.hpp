#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "echopath/data/dataset.hpp"
#include "echopath/models/reid.hpp"

namespace echopath::evaluation {

/// Feature vectors of a set of items (videos, heart frames), several of each: of its frames, or of
/// its clips.
struct ItemFeatures {
  std::vector<data::Study> items;
  at::Tensor rows;                  ///< [R, D] float32 on the CPU
  std::vector<std::int64_t> item;   ///< of each row: index in `items`, rising
  std::vector<std::int64_t> place;  ///< of each row: frame number, or the clip's first frame

  std::vector<std::string> patients() const;
};

/// How alike the items of two sets are: for each pair of items the largest Pearson correlation of a
/// row of one with a row of the other, float32 [A, B]. Throws DataError on rows that are not finite
/// and on rows of different widths.
at::Tensor item_similarity(const ItemFeatures& a, const ItemFeatures& b);

/// For each row of `a` the largest Pearson correlation with a row of `b`, and that row.
struct NearestRow {
  std::vector<double> similarity;
  std::vector<std::int64_t> row;
};
NearestRow nearest_rows(const at::Tensor& a, const at::Tensor& b);

/// Embeddings [N, E] of latent frames [N, C, h, w] that are stretched to [−1, 1], a few at a time;
/// on the CPU.
at::Tensor embed_frames(models::ReIdNet& network, const at::Tensor& frames, at::Device device);

}  // namespace echopath::evaluation
