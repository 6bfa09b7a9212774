#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace echopath::data {

/// Percentages of patients for TRAIN, VAL and TEST; they sum to 100.
struct SplitFractions {
  double train = 70;
  double val = 15;
  double test = 15;
};

/// Parses "70,15,15". Throws UsageError.
SplitFractions parse_split_fractions(const std::string& text);

/// Assigns each item the split of its patient, stratified by the class of the patient's first item,
/// shuffled by seed: no patient is in two splits. `patients` and `classes` run over items.
std::vector<std::string> split_by_patient(const std::vector<std::string>& patients,
                                          const std::vector<std::string>& classes,
                                          const SplitFractions& fractions, std::uint64_t seed);

}  // namespace echopath::data
