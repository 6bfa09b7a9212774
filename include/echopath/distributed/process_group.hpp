#pragma once

#include <ATen/ATen.h>

#include <chrono>
#include <cstdint>
#include <exception>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "echopath/distributed/environment.hpp"
#include "echopath/distributed/gradient_reducer.hpp"
#include "echopath/distributed/rendezvous.hpp"

namespace echopath::distributed {

/// The processes of one run, acting together. Every process calls the same methods in the same
/// order with tensors of the same shapes. A failure (a lost process, a time-out) is a DeviceError
/// that names the address of rank 0.
class ProcessGroup {
 public:
  virtual ~ProcessGroup() = default;
  ProcessGroup(const ProcessGroup&) = delete;
  ProcessGroup& operator=(const ProcessGroup&) = delete;

  int rank() const { return rank_; }
  int size() const { return size_; }
  bool is_root() const { return rank_ == 0; }

  /// Replaces each floating-point tensor by its mean over the processes. Tensors of one type travel
  /// together in buckets of about 25 MB, so that many small gradients cost few messages.
  virtual void all_reduce_mean(std::vector<at::Tensor>& tensors) = 0;
  /// The same with the sum.
  virtual void all_reduce_sum(std::vector<at::Tensor>& tensors) = 0;
  /// Replaces each tensor by that of process `root`.
  virtual void broadcast(std::vector<at::Tensor>& tensors, int root) = 0;
  /// Every process's tensor, by rank. All have the same shape and type.
  virtual std::vector<at::Tensor> all_gather(const at::Tensor& tensor) = 0;
  /// Returns when every process has called it.
  virtual void barrier() = 0;
  /// To be called by all before they end on an error that all have found: it returns when every
  /// process is through with its other calls, on rank 0 last, so that nobody's call is cut off.
  virtual void part() = 0;
  /// Averages the gradients of these parameters during the backward pass. They are given in the
  /// order in which the forward pass uses them: their gradients come in the reverse order.
  virtual std::unique_ptr<GradientReducer> make_gradient_reducer(
      const std::vector<at::Tensor>& parameters) = 0;

  /// Every process's text, by rank; lengths may differ.
  std::vector<std::string> all_gather_text(const std::string& text);
  /// Where `fault` is set on any process, throws on all: on rank 0 its own, or else that of the
  /// lowest rank with the rank before it; ToldByRoot on the others.
  void rethrow_together(const std::exception_ptr& fault);
  /// Whether any process says yes: an interrupt that one process saw, say.
  bool any(bool flag);
  /// Sum of a count over the processes.
  std::int64_t sum(std::int64_t value);

 protected:
  ProcessGroup(int rank, int size, at::Device device) : rank_(rank), size_(size), device_(device) {}
  at::Device device() const { return device_; }

 private:
  int rank_;
  int size_;
  at::Device device_;  ///< where the tensors of collective calls live
};

/// The group of the processes that have met at `rendezvous`: this one alone where `world_size` is
/// 1, else over Gloo for a CPU device and NCCL for a CUDA device (without an index, the one of
/// `local_rank`). Throws DeviceError, also where this build has no NCCL.
std::unique_ptr<ProcessGroup> make_process_group(Rendezvous& rendezvous, const at::Device& device);
/// The same with a meeting of its own. `timeout` bounds the joining and every later call.
std::unique_ptr<ProcessGroup> make_process_group(
    const ProcessEnvironment& environment, const at::Device& device,
    std::chrono::milliseconds timeout = std::chrono::minutes(30));

/// Throws `error` on rank 0 and ToldByRoot elsewhere, once all have called it.
template <class ErrorType>
[[noreturn]] void throw_once(ProcessGroup& group, const ErrorType& error) {
  group.part();
  throw_once(group.is_root(), error);
}

/// Named tensors, in an order that is the same on every process.
using NamedTensors = std::vector<std::pair<std::string, at::Tensor>>;

/// Throws DeviceError on rank 0 (ToldByRoot elsewhere) naming the first tensor whose name, shape or
/// bits differ between the processes, and the process that differs from rank 0.
void check_parameters_equal(ProcessGroup& group, const NamedTensors& tensors);

}  // namespace echopath::distributed
