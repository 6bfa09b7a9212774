#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "echopath/evaluation/video_set.hpp"
#include "echopath/models/classifier.hpp"

namespace echopath::evaluation {

/// What a classifier says of labelled videos.
struct Predictions {
  std::vector<std::string> classes;  ///< in label order; of two, the second is the positive one
  std::vector<std::string> names;    ///< of the videos, without extension
  std::vector<std::string> patients;
  std::vector<std::size_t> labels;                 ///< true classes
  std::vector<std::vector<double>> probabilities;  ///< [video][class], each row sums to 1

  std::size_t size() const { return names.size(); }
  /// The class of the largest probability, the first one of equals.
  std::size_t called(std::size_t row) const;
};

/// Throws DataError (naming `source`) on fewer than two videos, on a class without a video, and on
/// rows that are no probabilities.
void check_predictions(const Predictions& predictions, const std::string& source);

/// CSV with the columns FileName, PatientId, ClassName and one for each class, `p(CLASS)`. Throws
/// DataError naming row and column.
Predictions read_predictions(const std::filesystem::path& csv);
void write_predictions(const std::filesystem::path& csv, const Predictions& predictions);

/// Predictions of another program for the videos of a set: in the set's order, with its patients.
/// Throws DataError (naming `source`) unless they hold each video of their classes in the set
/// exactly once, with its class there, and where a patient that they state is not the set's.
Predictions predictions_of_set(const Predictions& given, const VideoSet& videos,
                               const std::string& source);

/// The classifier on the middle clip of each video whose class it knows; others are left out.
/// Throws DataError where a class has no video, and on videos of another size.
Predictions predict_videos(const models::Classifier& classifier, const VideoSet& videos,
                           at::Device device);

/// Several predictions of the same videos by one: probabilities averaged. Throws DataError where
/// they are not of the same videos and classes.
Predictions averaged(const std::vector<Predictions>& several);

/// Throws DataError unless both list the same videos, classes and labels.
void require_same_videos(const Predictions& a, const Predictions& b, const std::string& what);

}  // namespace echopath::evaluation
