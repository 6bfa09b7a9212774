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
  C10dProcessGroup(Rendezvous& rendezvous, at::Device device);

  void all_reduce_mean(std::vector<at::Tensor>& tensors) override;
  void all_reduce_sum(std::vector<at::Tensor>& tensors) override;
  void broadcast(std::vector<at::Tensor>& tensors, int root) override;
  std::vector<at::Tensor> all_gather(const at::Tensor& tensor) override;
  void barrier() override;
  void part() override;
  std::unique_ptr<GradientReducer> make_gradient_reducer(
      const std::vector<at::Tensor>& parameters) override;

  /// Turns whatever c10d throws into a DeviceError that names the call and the address.
  void guarded(const std::string& what, const std::function<void()>& call) const;

 private:
  /// Runs a collective call over the buckets of `tensors`, flattened, and copies the results back.
  void in_buckets(std::vector<at::Tensor>& tensors,
                  const std::function<void(at::Tensor& flat)>& collective);
  ProcessEnvironment environment_;
  c10::intrusive_ptr<c10d::Store> store_;  ///< outlives the rendezvous: later calls need it
  c10::intrusive_ptr<c10d::Backend> backend_;
  int partings_ = 0;
};

}  // namespace echopath::distributed
