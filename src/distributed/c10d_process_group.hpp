#pragma once

#include <functional>
#include <string>
#include <vector>

#include "distributed/backend.hpp"
#include "echopath/distributed/process_group.hpp"

namespace echopath::distributed {

/// A process group over one c10d backend; Gloo and NCCL differ only in how that is made.
class C10dProcessGroup final : public ProcessGroup {
 public:
  C10dProcessGroup(const ProcessEnvironment& environment, at::Device device,
                   std::chrono::milliseconds timeout);

  void all_reduce_mean(std::vector<at::Tensor>& tensors) override;
  void all_reduce_sum(std::vector<at::Tensor>& tensors) override;
  void broadcast(std::vector<at::Tensor>& tensors, int root) override;
  std::vector<at::Tensor> all_gather(const at::Tensor& tensor) override;
  void barrier() override;

 private:
  /// Runs a collective call over the buckets of `tensors`, flattened, and copies the results back.
  void in_buckets(std::vector<at::Tensor>& tensors,
                  const std::function<void(at::Tensor& flat)>& collective);
  /// Turns whatever c10d throws into a DeviceError that names the call and the address.
  void guarded(const std::string& what, const std::function<void()>& call) const;

  ProcessEnvironment environment_;
  c10::intrusive_ptr<c10d::Backend> backend_;
};

}  // namespace echopath::distributed
