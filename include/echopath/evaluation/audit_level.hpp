#pragma once

#include <ATen/ATen.h>

#include <string>
#include <vector>

#include "echopath/evaluation/privacy_statistics.hpp"

namespace echopath::evaluation {

/// How alike the items of a sampled set, of the training set and of held-out real data are, at one
/// level (frames or motion). Similarities are in [−1, 1]; 1 is a copy.
struct AuditSimilarities {
  at::Tensor synthetic_training;               ///< [S, T]
  at::Tensor synthetic_held_out;               ///< [S, H]
  at::Tensor held_out_training;                ///< [H, T]
  at::Tensor training_training;                ///< [T, T]
  std::vector<std::string> training_patients;  ///< T
  std::vector<std::string> held_out_patients;  ///< H
  /// H: which held-out items the threshold is taken from; the others check it.
  std::vector<bool> calibrates;
};

/// What an audit of sets of these sizes lacks, in words; empty where they are large enough.
std::string too_few_to_audit(std::int64_t synthetic,
                             const std::vector<std::string>& training_patients,
                             const std::vector<std::string>& held_out_patients,
                             const std::vector<bool>& calibrates);

/// Items are flagged where their similarity lies above the threshold. Distances are those of
/// standardised feature vectors, √(2(1 − similarity)).
/// Throws DataError where a set is too small (too_few_to_audit()).
LevelAudit audit_level(const AuditSimilarities& similarities,
                       const AuditStatisticsOptions& options = {});

}  // namespace echopath::evaluation
