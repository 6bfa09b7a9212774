#include "generation/forward_inputs.hpp"

#include <algorithm>

#include "echopath/core/errors.hpp"
#include "echopath/core/logging.hpp"
#include "echopath/core/text.hpp"

namespace echopath::generation {
namespace {

bool is_integer(const at::Tensor& tensor) {
  return at::isIntegralType(tensor.scalar_type(), /*includeBool=*/false);
}

std::string describe(const std::vector<Extent>& shape) {
  std::vector<std::string> parts;
  for (const Extent& extent : shape) {
    parts.push_back(extent.size == 0 ? extent.name
                                     : std::to_string(extent.size) + " (" + extent.name + ")");
  }
  return "[" + join(parts, ", ") + "]";
}

bool fits(const at::Tensor& tensor, const std::vector<Extent>& shape) {
  if (tensor.dim() != static_cast<std::int64_t>(shape.size())) return false;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    const std::int64_t size = tensor.size(static_cast<std::int64_t>(i));
    if (size < 1 || (shape[i].size != 0 && size != shape[i].size)) return false;
  }
  return true;
}

}  // namespace

ForwardInputs::ForwardInputs(const std::string& path, at::Device device)
    : file_(path), path_(path), device_(device) {}

at::Tensor ForwardInputs::get(const std::string& name) {
  if (!has(name)) {
    throw DataError(path_ + ": no tensor '" + name + "'; it holds " + join(file_.names(), ", "));
  }
  used_.insert(name);
  return file_.tensor(name);
}

void ForwardInputs::refuse(const std::string& name, const at::Tensor& tensor,
                           const std::string& wanted) const {
  std::vector<std::string> sizes;
  for (const std::int64_t size : tensor.sizes()) sizes.push_back(std::to_string(size));
  throw DataError(path_ + ": '" + name + "' is [" + join(sizes, ", ") + "] of " +
                  c10::toString(tensor.scalar_type()) + " numbers, but the network takes " +
                  wanted);
}

at::Tensor ForwardInputs::numbers(const std::string& name, const std::vector<Extent>& shape) {
  const at::Tensor tensor = get(name);
  if (!tensor.is_floating_point() || !fits(tensor, shape)) {
    refuse(name, tensor, describe(shape) + " of floating-point numbers");
  }
  return tensor.to(device_, at::kFloat);
}

at::Tensor ForwardInputs::sample(const std::vector<Extent>& shape) {
  return numbers(has("x") && !has("sample") ? "x" : "sample", shape);
}

at::Tensor ForwardInputs::timestep(std::int64_t batch) {
  const at::Tensor given = get("timestep");
  const bool number = given.is_floating_point() || is_integer(given);
  if (!number || (given.numel() != 1 && given.numel() != batch)) {
    refuse("timestep", given, "one number, or one for each of the " + std::to_string(batch));
  }
  const at::Tensor flat =
      (given.is_floating_point() ? given.to(at::kFloat) : given).to(device_).flatten();
  return flat.size(0) == 1 ? flat.expand({batch}) : flat;
}

at::Tensor ForwardInputs::labels(std::int64_t batch, std::int64_t largest) {
  const at::Tensor given = get("labels");
  const std::string wanted =
      "[" + std::to_string(batch) + " (batch)] of integers from 0 to " + std::to_string(largest);
  if (!is_integer(given) || given.dim() != 1 || given.size(0) != batch) {
    refuse("labels", given, wanted);
  }
  const at::Tensor labels = given.to(at::kLong);
  if (labels.min().item<std::int64_t>() < 0 || labels.max().item<std::int64_t>() > largest) {
    refuse("labels", given, wanted);
  }
  return labels.to(device_);
}

at::Tensor ForwardInputs::added_time_ids(std::int64_t batch, std::int64_t count) {
  const at::Tensor given = get("added_time_ids");
  const bool number = given.is_floating_point() || is_integer(given);
  if (!number || given.numel() != batch * count) {
    refuse("added_time_ids", given, describe({{"batch", batch}, {"time ids", count}}));
  }
  return given.to(device_, at::kFloat).reshape({batch, count});
}

void ForwardInputs::warn_of_unused() const {
  for (const std::string& name : file_.names()) {
    if (used_.count(name) == 0) log_warning(path_ + ": '" + name + "' is not used");
  }
}

}  // namespace echopath::generation
