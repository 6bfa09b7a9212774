#include "echopath/data/splits.hpp"

#include <charconv>
#include <cmath>
#include <map>

#include "echopath/core/errors.hpp"
#include "echopath/core/random.hpp"
#include "echopath/core/text.hpp"

namespace echopath::data {

SplitFractions parse_split_fractions(const std::string& text) {
  std::vector<double> numbers;
  for (const std::string& part : split(text, ',')) {
    const std::string field = trim(part);
    double number = 0.0;
    const auto [end, error] = std::from_chars(field.data(), field.data() + field.size(), number);
    if (error != std::errc() || end != field.data() + field.size()) number = -1.0;
    numbers.push_back(number);
  }
  const bool valid = numbers.size() == 3 && numbers[0] >= 0 && numbers[1] >= 0 && numbers[2] >= 0 &&
                     std::abs(numbers[0] + numbers[1] + numbers[2] - 100.0) < 1e-6;
  if (!valid) {
    throw UsageError("split '" + text +
                     "' must be three percentages that sum to 100, for example 70,15,15");
  }
  return {numbers[0], numbers[1], numbers[2]};
}

std::vector<std::string> split_by_patient(const std::vector<std::string>& patients,
                                          const std::vector<std::string>& classes,
                                          const SplitFractions& fractions, std::uint64_t seed) {
  // Patients of each class in first-seen order; a patient counts with the class of its first item.
  std::map<std::string, std::vector<std::string>> by_class;
  std::map<std::string, std::string> split_of;
  for (std::size_t i = 0; i < patients.size(); ++i) {
    if (split_of.emplace(patients[i], "").second) by_class[classes[i]].push_back(patients[i]);
  }
  std::uint32_t class_index = 0;
  for (const auto& [name, members] : by_class) {
    const auto count = static_cast<std::int64_t>(members.size());
    const auto order = permutation({seed, Stream::kDataset, class_index++, 0}, count);
    const double n = static_cast<double>(count);
    const auto train_end = std::llround(n * fractions.train / 100.0);
    const auto val_end = std::llround(n * (fractions.train + fractions.val) / 100.0);
    for (std::int64_t i = 0; i < count; ++i) {
      split_of[members[static_cast<std::size_t>(order[static_cast<std::size_t>(i)])]] =
          i < train_end ? "TRAIN"
          : i < val_end ? "VAL"
                        : "TEST";
    }
  }
  std::vector<std::string> splits;
  for (const std::string& patient : patients) splits.push_back(split_of[patient]);
  return splits;
}

}  // namespace echopath::data
