#pragma once

#include <torch/csrc/distributed/c10d/Store.hpp>

#include "echopath/distributed/rendezvous.hpp"

namespace echopath::distributed {

struct Rendezvous::Store {
  c10::intrusive_ptr<c10d::Store> keys;
};

/// Every process's text under one name, by rank. It returns when every process has called it with
/// that name, on rank 0 last, so that it may end and the store with it. Throws what c10d throws.
std::vector<std::string> exchange(c10d::Store& store, const std::string& name,
                                  const ProcessEnvironment& environment, const std::string& text,
                                  std::chrono::milliseconds timeout);

}  // namespace echopath::distributed
