#pragma once

#include <memory>
#include <torch/csrc/distributed/c10d/ProcessGroup.hpp>
#include <vector>

#include "distributed/c10d_process_group.hpp"
#include "echopath/distributed/gradient_reducer.hpp"

namespace c10d {
class Reducer;
}

namespace echopath::distributed {

/// c10d's Reducer: a first bucket of 1 MB and others of 25 MB, sent as soon as their gradients are
/// there. The buckets keep the order of the parameters and are not rearranged after the first pass,
/// as PyTorch's DistributedDataParallel does: sums are taken in an order that depends on a
/// gradient's place in its bucket, and a resumed run must repeat the bits of an uninterrupted one.
class C10dReducer final : public GradientReducer {
 public:
  /// `parameters` in the order of their use; `group` must outlive it.
  C10dReducer(const C10dProcessGroup& group, const c10::intrusive_ptr<c10d::Store>& store,
              const c10::intrusive_ptr<c10d::Backend>& backend,
              const std::vector<at::Tensor>& parameters);
  ~C10dReducer() override;
  void backward(const at::Tensor& loss, bool last) override;

 private:
  const C10dProcessGroup& group_;
  std::unique_ptr<c10d::Reducer> reducer_;
};

}  // namespace echopath::distributed
