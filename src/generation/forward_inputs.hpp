#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "echopath/io/safetensors.hpp"

namespace echopath::generation {

/// One dimension of an input: its name, and its size where that is fixed.
struct Extent {
  std::string name;
  std::int64_t size = 0;  ///< 0: any from 1 on
};

/// The named tensors that a network is run on, from a safetensors file. What does not fit is told
/// by name, with what was given and what is taken.
class ForwardInputs {
 public:
  ForwardInputs(const std::string& path, at::Device device);

  bool has(const std::string& name) const { return file_.contains(name); }
  /// Floating-point numbers of this shape, as float32. Throws DataError.
  at::Tensor numbers(const std::string& name, const std::vector<Extent>& shape);
  /// `sample`, or `x`, which is what diffusers and torchvision call it where there is nothing else.
  at::Tensor sample(const std::vector<Extent>& shape);
  /// `timestep` [batch]: integers or not; one number stands for all samples.
  at::Tensor timestep(std::int64_t batch);
  /// `labels` [batch], integers from 0 to `largest`.
  at::Tensor labels(std::int64_t batch, std::int64_t largest);
  /// `added_time_ids` [batch, count]; a flat list of as many is taken too, as diffusers does.
  at::Tensor added_time_ids(std::int64_t batch, std::int64_t count);
  void warn_of_unused() const;

 private:
  at::Tensor get(const std::string& name);
  /// Throws DataError: what is wrong with the tensor, and what would be right.
  [[noreturn]] void refuse(const std::string& name, const at::Tensor& tensor,
                           const std::string& wanted) const;

  io::SafetensorsFile file_;
  std::string path_;
  at::Device device_;
  std::set<std::string> used_;
};

}  // namespace echopath::generation
