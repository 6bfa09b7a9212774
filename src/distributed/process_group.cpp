#include "echopath/distributed/process_group.hpp"

#include <algorithm>
#include <cstring>
#include <optional>
#include <sstream>

#include "distributed/c10d_process_group.hpp"
#include "distributed/told_error.hpp"
#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "echopath/core/text.hpp"

namespace echopath::distributed {
namespace {

/// The gradients of one process alone are the average.
class NothingToReduce final : public GradientReducer {
 public:
  void backward(const at::Tensor& loss, bool /*last*/) override { loss.backward(); }
};

/// One process alone: every collective call leaves things as they are.
class SingleProcess final : public ProcessGroup {
 public:
  explicit SingleProcess(at::Device device) : ProcessGroup(0, 1, device) {}
  void all_reduce_mean(std::vector<at::Tensor>&) override {}
  void all_reduce_sum(std::vector<at::Tensor>&) override {}
  void broadcast(std::vector<at::Tensor>&, int) override {}
  std::vector<at::Tensor> all_gather(const at::Tensor& tensor) override {
    return {tensor.detach().clone()};
  }
  void barrier() override {}
  void part() override {}
  std::unique_ptr<GradientReducer> make_gradient_reducer(const std::vector<at::Tensor>&) override {
    return std::make_unique<NothingToReduce>();
  }
};

/// Throws DeviceError where this build cannot join processes on such a device.
void require_backend([[maybe_unused]] const at::Device& device) {
#ifndef ECHOPATH_WITH_CUDA
  if (device.is_cuda()) {
    throw DeviceError(
        "several processes on GPUs need NCCL, which this build lacks: build with the preset "
        "'cuda', or give --device cpu");
  }
#endif
}

/// "<name> [sizes] <type> <SHA-256 of the bytes>", one line per tensor.
std::string fingerprint(const NamedTensors& tensors) {
  std::ostringstream lines;
  for (const auto& [name, tensor] : tensors) {
    const at::Tensor plain = tensor.detach().cpu().contiguous();
    const std::string_view bytes(static_cast<const char*>(plain.const_data_ptr()), plain.nbytes());
    lines << name << " " << plain.sizes() << " " << plain.scalar_type() << " " << sha256_hex(bytes)
          << "\n";
  }
  return lines.str();
}

/// Line number at which two texts first differ.
std::optional<std::size_t> first_difference(const std::vector<std::string>& left,
                                            const std::vector<std::string>& right) {
  const std::size_t common = std::min(left.size(), right.size());
  for (std::size_t i = 0; i < common; ++i) {
    if (left[i] != right[i]) {
      return i;
    }
  }
  return left.size() == right.size() ? std::nullopt : std::optional<std::size_t>(common);
}

}  // namespace

std::vector<std::string> ProcessGroup::all_gather_text(const std::string& text) {
  const auto bytes = at::TensorOptions().dtype(at::kByte);
  const std::vector<at::Tensor> lengths =
      all_gather(at::tensor({static_cast<std::int64_t>(text.size())}, at::kLong));
  std::int64_t longest = 1;
  for (const at::Tensor& length : lengths) {
    longest = std::max(longest, length.item<std::int64_t>());
  }
  at::Tensor padded = at::zeros({longest}, bytes);
  std::memcpy(padded.mutable_data_ptr(), text.data(), text.size());
  std::vector<std::string> texts;
  const std::vector<at::Tensor> gathered = all_gather(padded);
  for (std::size_t i = 0; i < gathered.size(); ++i) {
    texts.emplace_back(static_cast<const char*>(gathered[i].const_data_ptr()),
                       static_cast<std::size_t>(lengths[i].item<std::int64_t>()));
  }
  return texts;
}

void ProcessGroup::rethrow_together(const std::exception_ptr& fault) {
  if (!any(fault != nullptr)) return;
  if (size_ == 1) std::rethrow_exception(fault);
  const std::vector<std::string> descriptions = all_gather_text(describe(fault));
  part();
  throw_described(descriptions, fault, is_root());
}

std::int64_t ProcessGroup::sum(std::int64_t value) {
  std::vector<at::Tensor> tensors = {at::tensor({value}, at::kLong)};
  all_reduce_sum(tensors);
  return tensors[0].item<std::int64_t>();
}

bool ProcessGroup::any(bool flag) {
  return sum(flag ? 1 : 0) > 0;
}

std::unique_ptr<ProcessGroup> make_process_group(Rendezvous& rendezvous, const at::Device& device) {
  const ProcessEnvironment& environment = rendezvous.environment();
  if (environment.world_size == 1) {
    return std::make_unique<SingleProcess>(device);
  }
  require_backend(device);
  const bool pick_gpu = device.is_cuda() && !device.has_index();
  const auto local_rank = static_cast<c10::DeviceIndex>(environment.local_rank);
  return std::make_unique<C10dProcessGroup>(rendezvous,
                                            pick_gpu ? at::Device(at::kCUDA, local_rank) : device);
}

std::unique_ptr<ProcessGroup> make_process_group(const ProcessEnvironment& environment,
                                                 const at::Device& device,
                                                 std::chrono::milliseconds timeout) {
  require_backend(device);
  Rendezvous rendezvous(environment, {timeout, timeout});
  return make_process_group(rendezvous, device);
}

void check_parameters_equal(ProcessGroup& group, const NamedTensors& tensors) {
  const std::vector<std::string> prints = group.all_gather_text(fingerprint(tensors));
  const std::vector<std::string> expected = split(prints[0], '\n');
  for (std::size_t rank = 1; rank < prints.size(); ++rank) {
    const std::vector<std::string> found = split(prints[rank], '\n');
    if (const auto line = first_difference(expected, found)) {
      const std::string& entry = *line < expected.size() ? expected[*line] : found[*line];
      throw_once(group,
                 DeviceError("process group: parameter '" + entry.substr(0, entry.find(' ')) +
                             "' differs between rank 0 and rank " + std::to_string(rank) +
                             ": give every process the same config, seed and checkpoint"));
    }
  }
}

}  // namespace echopath::distributed
