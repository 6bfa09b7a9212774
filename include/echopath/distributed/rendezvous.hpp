#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "echopath/core/errors.hpp"
#include "echopath/distributed/environment.hpp"

namespace echopath::distributed {

/// How long a process waits for the others.
struct Timeouts {
  std::chrono::milliseconds join = std::chrono::minutes(5);         ///< until all have come
  std::chrono::milliseconds collective = std::chrono::minutes(30);  ///< in every later call
};

/// Thrown where rank 0 tells the user what went wrong: this process leaves with the same exit code
/// and without a word.
class ToldByRoot : public Error {
 public:
  explicit ToldByRoot(ExitCode code) : Error(code, "") {}
};

/// Where the processes of one run meet, at rank 0's address. Texts can be exchanged there before
/// the process group exists, so that what stops a run is found and told once.
class Rendezvous {
 public:
  /// Waits until every process of `environment` has come. Throws DeviceError naming the address:
  /// it cannot be reached, its port is in use, or some ranks (named) did not come in time.
  explicit Rendezvous(const ProcessEnvironment& environment, const Timeouts& timeouts = {});
  ~Rendezvous();
  Rendezvous(const Rendezvous&) = delete;
  Rendezvous& operator=(const Rendezvous&) = delete;

  const ProcessEnvironment& environment() const { return environment_; }
  const Timeouts& timeouts() const { return timeouts_; }

  /// Every process's text, by rank. Every process calls it equally often; rank 0 returns last, so
  /// that it may end after it.
  std::vector<std::string> exchange(const std::string& text);

  /// Runs `work` on every process. Where it throws on any, it throws on all: on rank 0 its own
  /// error, or else that of the lowest rank with the rank before it; ToldByRoot on the others.
  void together(const std::function<void()>& work);

  /// The c10d store behind it; for this room only.
  struct Store;
  Store& store() { return *store_; }

 private:
  void require_all();

  ProcessEnvironment environment_;
  Timeouts timeouts_;
  std::unique_ptr<Store> store_;  ///< empty for a single process
  int round_ = 0;
};

/// Throws `error` on rank 0 and ToldByRoot elsewhere; for what every process finds at once.
template <class ErrorType>
[[noreturn]] void throw_once(bool is_root, const ErrorType& error) {
  if (is_root) throw error;
  throw ToldByRoot(error.exit_code());
}

}  // namespace echopath::distributed
