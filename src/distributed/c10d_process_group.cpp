#include "distributed/c10d_process_group.hpp"

#include <c10/core/impl/VirtualGuardImpl.h>

#include <exception>
#include <map>
#include <utility>

#include "distributed/c10d_reducer.hpp"
#include "distributed/store.hpp"
#include "distributed/told_error.hpp"
#include "echopath/core/errors.hpp"

namespace echopath::distributed {
namespace {

constexpr std::int64_t kBucketBytes = std::int64_t{25} << 20;

/// Indices of tensors that travel together: one type, about kBucketBytes.
std::vector<std::vector<std::size_t>> buckets_of(const std::vector<at::Tensor>& tensors) {
  std::vector<std::vector<std::size_t>> buckets;
  struct Open {
    std::size_t bucket = 0;
    std::int64_t bytes = kBucketBytes;
  };
  std::map<at::ScalarType, Open> open;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    Open& current = open[tensors[i].scalar_type()];
    if (current.bytes >= kBucketBytes) {
      current = {buckets.size(), 0};
      buckets.emplace_back();
    }
    buckets[current.bucket].push_back(i);
    current.bytes += static_cast<std::int64_t>(tensors[i].nbytes());
  }
  return buckets;
}

}  // namespace

C10dProcessGroup::C10dProcessGroup(Rendezvous& rendezvous, at::Device device)
    : ProcessGroup(rendezvous.environment().rank, rendezvous.environment().world_size, device),
      environment_(rendezvous.environment()),
      store_(rendezvous.store().keys) {
  guarded("connecting", [&] {
    const std::chrono::milliseconds timeout = rendezvous.timeouts().collective;
#ifdef ECHOPATH_WITH_CUDA
    if (device.is_cuda()) {
      c10::impl::VirtualGuardImpl(at::kCUDA).setDevice(device);
      backend_ = make_nccl_backend(store_, environment_, timeout);
      return;
    }
#endif
    backend_ = make_gloo_backend(store_, environment_, timeout);
  });
}

void C10dProcessGroup::guarded(const std::string& what, const std::function<void()>& call) const {
  try {
    call();
  } catch (const Error&) {
    throw;
  } catch (const std::exception& error) {
    throw DeviceError("process group: " + what + " failed on rank " + std::to_string(rank()) +
                      " of " + std::to_string(size()) + " (rank 0 at " + environment_.address() +
                      "): " + first_line(error.what()) +
                      "; another process may have failed (its own error says why), or the "
                      "address cannot be reached");
  }
}

void C10dProcessGroup::in_buckets(std::vector<at::Tensor>& tensors,
                                  const std::function<void(at::Tensor& flat)>& collective) {
  at::NoGradGuard no_grad;
  for (const std::vector<std::size_t>& bucket : buckets_of(tensors)) {
    std::vector<at::Tensor> parts;
    for (const std::size_t i : bucket) {
      parts.push_back(tensors[i].reshape({-1}));
    }
    at::Tensor flat = at::cat(parts).to(device());
    collective(flat);
    std::int64_t offset = 0;
    for (const std::size_t i : bucket) {
      const std::int64_t count = tensors[i].numel();
      tensors[i].copy_(flat.narrow(0, offset, count).view(tensors[i].sizes()));
      offset += count;
    }
  }
}

void C10dProcessGroup::all_reduce_sum(std::vector<at::Tensor>& tensors) {
  guarded("all-reduce", [&] {
    in_buckets(tensors, [&](at::Tensor& flat) {
      std::vector<at::Tensor> message = {flat};
      backend_->allreduce(message)->wait();
    });
  });
}

void C10dProcessGroup::all_reduce_mean(std::vector<at::Tensor>& tensors) {
  guarded("all-reduce", [&] {
    in_buckets(tensors, [&](at::Tensor& flat) {
      std::vector<at::Tensor> message = {flat};
      backend_->allreduce(message)->wait();
      flat.div_(size());
    });
  });
}

void C10dProcessGroup::broadcast(std::vector<at::Tensor>& tensors, int root) {
  guarded("broadcast", [&] {
    in_buckets(tensors, [&](at::Tensor& flat) {
      std::vector<at::Tensor> message = {flat};
      c10d::BroadcastOptions options;
      options.rootRank = root;
      backend_->broadcast(message, options)->wait();
    });
  });
}

std::vector<at::Tensor> C10dProcessGroup::all_gather(const at::Tensor& tensor) {
  std::vector<std::vector<at::Tensor>> outputs(1);
  guarded("all-gather", [&] {
    std::vector<at::Tensor> inputs = {tensor.detach().to(device()).contiguous()};
    for (int i = 0; i < size(); ++i) {
      outputs[0].push_back(at::empty_like(inputs[0]));
    }
    backend_->allgather(outputs, inputs)->wait();
    for (at::Tensor& output : outputs[0]) {
      output = output.to(tensor.device());
    }
  });
  return outputs[0];
}

void C10dProcessGroup::barrier() {
  guarded("barrier", [&] {
    c10d::BarrierOptions options;
    options.device = device();
    backend_->barrier(options)->wait();
  });
}

void C10dProcessGroup::part() {
  constexpr std::chrono::seconds kPatience(10);
  try {
    exchange(*store_, "parting " + std::to_string(++partings_), environment_, "", kPatience);
  } catch (const std::exception&) {
    // Somebody has left already, and nothing more is to be done together.
  }
}

std::unique_ptr<GradientReducer> C10dProcessGroup::make_gradient_reducer(
    const std::vector<at::Tensor>& parameters) {
  return std::make_unique<C10dReducer>(*this, store_, backend_, parameters);
}

}  // namespace echopath::distributed
