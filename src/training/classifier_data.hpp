#pragma once

#include <ATen/ATen.h>

#include <memory>
#include <string>
#include <vector>

#include "echopath/data/dataset.hpp"
#include "echopath/training/classifier_options.hpp"
#include "training/video_cache.hpp"

namespace echopath::training {

/// The videos that a classifier learns from and is selected on, of one or several datasets. Threads
/// may share it.
class ClassifierData {
 public:
  struct Item {
    std::size_t source = 0;  ///< which dataset
    data::Study study;
    std::int64_t label = 0;  ///< of its class; for segmentation a number for each class name
  };

  /// Throws DataError naming the option whose dataset is damaged, lacks a split, a class, a label
  /// map, or videos enough for its ratio, or has frames of another size.
  explicit ClassifierData(const ClassifierOptions& options);

  const std::vector<Item>& train() const { return train_; }
  const std::vector<Item>& val() const { return val_; }
  /// Training videos of each class.
  std::vector<std::int64_t> train_counts() const;

  /// True at the first call for an item, so that what is wrong with it is told once.
  bool first_report_of(const Item& item) const;
  /// The clip at `start` in [0, 1): [T, H, W] float, grey levels 0…255.
  at::Tensor clip(const Item& item, double start) const;
  /// Its label maps, [T, H, W] float. Throws DataError on a label beyond the structures.
  at::Tensor maps(const Item& item, double start) const;

 private:
  /// A dataset directory with what is held of it in memory.
  struct Source {
    std::string key;  ///< option that names it
    data::Dataset dataset;
    std::unique_ptr<VideoCache> videos;
    std::unique_ptr<VideoCache> masks;  ///< null for classification
  };

  std::size_t open(const std::string& key, const std::string& directory);
  /// Items of one split whose class counts.
  std::vector<Item> items(std::size_t source, const std::string& split) const;
  void hold_out(double fraction, std::uint64_t seed);
  void add_extra(std::size_t index, const std::vector<std::int64_t>& counts);
  void require_every_class(const std::vector<Item>& items, const std::string& split) const;
  void make_caches();
  void check_videos() const;
  void leave_out_unreadable_validation();
  at::Tensor chosen_frames(const Item& item, double start, VideoCache& cache) const;

  ClassifierOptions options_;
  std::vector<std::string> classes_;  ///< class names that count, in label order
  std::int64_t structures_ = 0;       ///< of segmentation
  std::vector<std::unique_ptr<Source>> sources_;
  std::vector<Item> train_;
  std::vector<Item> val_;
};

}  // namespace echopath::training
