#pragma once

#include <c10/util/intrusive_ptr.h>

#include <chrono>
#include <torch/csrc/distributed/c10d/Backend.hpp>
#include <torch/csrc/distributed/c10d/Store.hpp>

#include "echopath/distributed/environment.hpp"

namespace echopath::distributed {

/// c10d's Gloo backend: on loopback where rank 0 is on loopback, else on the interface that
/// GLOO_SOCKET_IFNAME names or that the host name resolves to.
c10::intrusive_ptr<c10d::Backend> make_gloo_backend(const c10::intrusive_ptr<c10d::Store>& store,
                                                    const ProcessEnvironment& environment,
                                                    std::chrono::milliseconds timeout);

/// c10d's NCCL backend. Only builds with ECHOPATH_WITH_CUDA have it.
c10::intrusive_ptr<c10d::Backend> make_nccl_backend(const c10::intrusive_ptr<c10d::Store>& store,
                                                    const ProcessEnvironment& environment,
                                                    std::chrono::milliseconds timeout);

}  // namespace echopath::distributed
