#include "models/weight_check.hpp"

#include <ATen/Parallel.h>

#include <atomic>
#include <sstream>

#include "echopath/core/text.hpp"

namespace echopath::models {

namespace {

std::string shape_text(const std::vector<std::int64_t>& shape) {
  std::ostringstream text;
  text << at::IntArrayRef(shape);
  return text.str();
}

/// Whether any of `count` numbers has all bits of its exponent set: it is NaN or infinite.
template <class Bits>
bool any_full_exponent(const void* numbers, std::int64_t count, Bits exponent) {
  constexpr std::int64_t kGrain = std::int64_t{1} << 16;
  const auto* bits = static_cast<const Bits*>(numbers);
  std::atomic<bool> found = false;
  at::parallel_for(0, count, kGrain, [&](std::int64_t begin, std::int64_t end) {
    Bits full = 0;
    for (std::int64_t i = begin; i < end; ++i) {
      full |= static_cast<Bits>((bits[i] & exponent) == exponent);
    }
    if (full != 0) found = true;
  });
  return found;
}

bool same_kind(at::ScalarType a, at::ScalarType b) {
  return at::isFloatingType(a) == at::isFloatingType(b) && (a == at::kBool) == (b == at::kBool);
}

}  // namespace

TensorSpecs specs_of(const io::TensorMap& tensors) {
  TensorSpecs specs;
  for (const auto& [name, tensor] : tensors) {
    specs[name] = {tensor.sizes().vec(), tensor.scalar_type()};
  }
  return specs;
}

bool WeightFaults::none() const {
  return missing.empty() && extra.empty() && wrong_shape.empty() && wrong_dtype.empty() &&
         not_finite.empty();
}

std::string WeightFaults::message(const std::string& source) const {
  std::vector<std::string> faults;
  const auto add = [&](const char* what, const std::vector<std::string>& keys) {
    if (!keys.empty()) faults.push_back(what + join(keys, ", "));
  };
  add("missing: ", missing);
  add("not in the network: ", extra);
  add("wrong shape: ", wrong_shape);
  add("wrong dtype: ", wrong_dtype);
  std::string message = source + ": ";
  if (!faults.empty()) message += "the weights do not fit the network; " + join(faults, "; ");
  if (!not_finite.empty()) {
    message += std::string(faults.empty() ? "" : "; ") + "values that are not finite in '" +
               join(not_finite, "', '") + "'";
  }
  return message;
}

WeightFaults compare_weights(const TensorSpecs& expected, const TensorSpecs& found) {
  WeightFaults faults;
  for (const auto& [name, spec] : expected) {
    const auto place = found.find(name);
    if (place == found.end()) {
      faults.missing.push_back(name);
      continue;
    }
    const TensorSpec& actual = place->second;
    if (actual.shape != spec.shape) {
      faults.wrong_shape.push_back(name + " is " + shape_text(actual.shape) + ", not " +
                                   shape_text(spec.shape));
    }
    if (!same_kind(actual.dtype, spec.dtype)) {
      faults.wrong_dtype.push_back(name + " is " + at::toString(actual.dtype) + ", not " +
                                   at::toString(spec.dtype));
    }
  }
  for (const auto& [name, spec] : found) {
    if (expected.count(name) == 0) faults.extra.push_back(name);
  }
  return faults;
}

bool all_finite(const at::Tensor& tensor) {
  if (!tensor.is_floating_point()) return true;
  const bool plain = tensor.is_cpu() && tensor.is_non_overlapping_and_dense();
  const void* numbers = plain ? tensor.const_data_ptr() : nullptr;
  switch (plain ? tensor.scalar_type() : at::ScalarType::Undefined) {
    case at::kFloat:
      return !any_full_exponent<std::uint32_t>(numbers, tensor.numel(), 0x7F80'0000U);
    case at::kHalf:
      return !any_full_exponent<std::uint16_t>(numbers, tensor.numel(), 0x7C00U);
    case at::kBFloat16:
      return !any_full_exponent<std::uint16_t>(numbers, tensor.numel(), 0x7F80U);
    default:
      return at::isfinite(tensor).all().item<bool>();
  }
}

}  // namespace echopath::models
