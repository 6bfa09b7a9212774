#include "distributed/c10d_reducer.hpp"

#include <torch/csrc/distributed/c10d/reducer.hpp>

namespace echopath::distributed {
namespace {

/// The backend in the shape in which Reducer takes it.
c10::intrusive_ptr<c10d::ProcessGroup> dispatching_group(
    const C10dProcessGroup& group, const c10::intrusive_ptr<c10d::Store>& store,
    const c10::intrusive_ptr<c10d::Backend>& backend, at::DeviceType device) {
  const auto kind = device == at::kCUDA ? c10d::ProcessGroup::BackendType::NCCL
                                        : c10d::ProcessGroup::BackendType::GLOO;
  auto dispatching = c10::make_intrusive<c10d::ProcessGroup>(store, group.rank(), group.size());
  dispatching->setBackend(device, kind, backend);
  dispatching->setDefaultBackend(kind);
  return dispatching;
}

std::unique_ptr<c10d::Reducer> make_reducer(
    const std::vector<at::Tensor>& parameters,
    const c10::intrusive_ptr<c10d::ProcessGroup>& dispatching) {
  const std::vector<bool> sparse(parameters.size(), false);
  const auto buckets = std::get<0>(c10d::compute_bucket_assignment_by_size(
      parameters, {c10d::kDefaultFirstBucketBytes, c10d::kDefaultBucketBytesCap}, sparse));
  auto reducer = std::make_unique<c10d::Reducer>(
      parameters, buckets, dispatching, sparse, c10d::kDefaultBucketBytesCap,
      /*find_unused_parameters=*/false, /*gradient_as_bucket_view=*/true,
      /*param_names=*/std::unordered_map<std::size_t, std::string>{},
      c10d::kDefaultFirstBucketBytes, /*skip_all_reduce_unused_params=*/false,
      /*use_python_reducer=*/false, /*bucket_bytes_cap_list=*/std::vector<std::int64_t>{});
  // The one rearrangement that Reducer makes, here into the order that it has.
  reducer->push_rebuilt_params_for_all_indices();
  reducer->rebuild_buckets();
  return reducer;
}

}  // namespace

C10dReducer::C10dReducer(const C10dProcessGroup& group,
                         const c10::intrusive_ptr<c10d::Store>& store,
                         const c10::intrusive_ptr<c10d::Backend>& backend,
                         const std::vector<at::Tensor>& parameters)
    : group_(group) {
  if (parameters.empty()) return;
  const std::vector<at::Tensor> as_gradients_come(parameters.rbegin(), parameters.rend());
  group_.guarded("setting up the averaging of gradients", [&] {
    reducer_ =
        make_reducer(as_gradients_come,
                     dispatching_group(group, store, backend, parameters.front().device().type()));
  });
}

C10dReducer::~C10dReducer() = default;

void C10dReducer::backward(const at::Tensor& loss, bool last) {
  if (!last || !reducer_) {
    loss.backward();
    return;
  }
  group_.guarded("averaging gradients", [&] {
    reducer_->prepare_for_forward();
    reducer_->prepare_for_backward({});
    loss.backward();
    reducer_->check_finalized();
  });
}

}  // namespace echopath::distributed
