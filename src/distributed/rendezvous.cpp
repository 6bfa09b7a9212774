#include "echopath/distributed/rendezvous.hpp"

#include <c10/util/Logging.h>

#include <cstdlib>
#include <exception>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include "distributed/store.hpp"
#include "distributed/told_error.hpp"
#include "echopath/core/text.hpp"

namespace echopath::distributed {
namespace {

/// How long rank 0 waits for the others to have read what was exchanged.
constexpr std::chrono::seconds kFarewell(10);

/// Of a text, under one key: TCPStore drops whoever sends more than 8 MiB at once.
constexpr std::size_t kMostBytes = std::size_t{4} << 20;

/// c10d prints whole call stacks before it throws; what matters of them is in our DeviceError.
void silence_call_stacks() {
  constexpr int kOnlyFatal = 3;
  if (std::getenv("TORCH_CPP_LOG_LEVEL") == nullptr) {
    FLAGS_caffe2_log_level = kOnlyFatal;
  }
}

std::string place(const ProcessEnvironment& environment) {
  return "rank " + std::to_string(environment.rank) + " of " +
         std::to_string(environment.world_size);
}

[[noreturn]] void throw_unreachable(const ProcessEnvironment& environment,
                                    const std::string& reason) {
  const bool taken = reason.find("EADDRINUSE") != std::string::npos ||
                     reason.find("ddress already in use") != std::string::npos;
  if (taken) {
    throw DeviceError("process group: rank 0 cannot listen at " + environment.address() +
                      ": the port is in use; end what uses it, or set MASTER_PORT to a free one");
  }
  throw DeviceError("process group: " + place(environment) + " cannot reach rank 0 at " +
                    environment.address() + ": " + reason +
                    "; see whether rank 0 runs and can be reached there");
}

c10::intrusive_ptr<c10d::Store> open_store(const ProcessEnvironment& environment,
                                           std::chrono::milliseconds timeout) {
  c10d::TCPStoreOptions options;
  options.port = static_cast<std::uint16_t>(environment.master_port);
  options.isServer = environment.is_root() && !environment.store_is_there;
  options.waitWorkers = false;  // require_all() waits, and can say who is missing
  options.timeout = timeout;
  try {
    auto store = c10::make_intrusive<c10d::TCPStore>(environment.master_address, options);
    return c10::make_intrusive<c10d::PrefixStore>("echopath/" + std::to_string(environment.attempt),
                                                  std::move(store));
  } catch (const std::exception& error) {
    throw_unreachable(environment, first_line(error.what()));
  }
}

std::vector<std::uint8_t> bytes_of(const std::string& text) {
  return {text.begin(), text.end()};
}

std::vector<std::string> keys_of_all(const std::string& name,
                                     const ProcessEnvironment& environment) {
  std::vector<std::string> keys;
  for (int rank = 0; rank < environment.world_size; ++rank) {
    keys.push_back(name + "/" + std::to_string(rank));
  }
  return keys;
}

std::string part_key(const std::string& key, std::size_t part) {
  return key + "/" + std::to_string(part);
}

/// Sets the parts of a text, and then their number under the key itself: where that is there, all
/// of them are.
void set_text(c10d::Store& store, const std::string& key, const std::string& text) {
  const std::size_t parts = (text.size() + kMostBytes - 1) / kMostBytes;
  for (std::size_t part = 0; part < parts; ++part) {
    store.set(part_key(key, part), bytes_of(text.substr(part * kMostBytes, kMostBytes)));
  }
  store.set(key, bytes_of(std::to_string(parts)));
}

std::string text_of(c10d::Store& store, const std::string& key) {
  const std::vector<std::uint8_t> number = store.get(key);
  const std::size_t parts = std::stoul(std::string(number.begin(), number.end()));
  std::string text;
  for (std::size_t part = 0; part < parts; ++part) {
    const std::vector<std::uint8_t> bytes = store.get(part_key(key, part));
    text.append(bytes.begin(), bytes.end());
  }
  return text;
}

}  // namespace

std::vector<std::string> exchange(c10d::Store& store, const std::string& name,
                                  const ProcessEnvironment& environment, const std::string& text,
                                  std::chrono::milliseconds timeout) {
  const std::vector<std::string> said = keys_of_all(name + "/said", environment);
  const std::vector<std::string> heard = keys_of_all(name + "/heard", environment);
  const auto own = static_cast<std::size_t>(environment.rank);
  set_text(store, said[own], text);
  store.wait(said, timeout);
  std::vector<std::string> texts;
  for (const std::string& key : said) texts.push_back(text_of(store, key));
  store.set(heard[own], bytes_of("1"));
  if (environment.is_root()) {
    try {
      store.wait(heard, kFarewell);
    } catch (const std::exception&) {
      // Whoever has not heard has left; the next call finds that out.
    }
  }
  return texts;
}

Rendezvous::Rendezvous(const ProcessEnvironment& environment, const Timeouts& timeouts)
    : environment_(environment), timeouts_(timeouts) {
  if (environment_.world_size == 1) return;
  silence_call_stacks();
  store_ = std::make_unique<Store>(Store{open_store(environment_, timeouts_.join)});
  require_all();
}

Rendezvous::~Rendezvous() = default;

void Rendezvous::require_all() {
  c10d::Store& store = *store_->keys;
  const std::vector<std::string> here = keys_of_all("here", environment_);
  std::string reason;
  try {
    store.set(here[static_cast<std::size_t>(environment_.rank)], bytes_of("1"));
    store.wait(here, timeouts_.join);
    return;
  } catch (const std::exception& error) {
    reason = first_line(error.what());
  }
  std::vector<std::string> missing;
  try {
    for (std::size_t rank = 0; rank < here.size(); ++rank) {
      if (!store.check({here[rank]})) missing.push_back(std::to_string(rank));
    }
  } catch (const std::exception&) {
    throw_unreachable(environment_, reason);
  }
  throw DeviceError("process group: rank " + join(missing, ", ") + " of " +
                    std::to_string(environment_.world_size) + " did not come to " +
                    environment_.address() + " within " +
                    human_duration(std::chrono::duration<double>(timeouts_.join).count()) +
                    "; see whether every process was started and can reach that address");
}

std::vector<std::string> Rendezvous::exchange(const std::string& text) {
  if (!store_) return {text};
  try {
    return distributed::exchange(*store_->keys, "round " + std::to_string(++round_), environment_,
                                 text, timeouts_.collective);
  } catch (const std::exception& error) {
    throw DeviceError("process group: " + place(environment_) +
                      " waited in vain for the other processes (rank 0 at " +
                      environment_.address() + "): " + first_line(error.what()) +
                      "; another process may have failed: its own error says why");
  }
}

void Rendezvous::together(const std::function<void()>& work) {
  if (!store_) return work();
  std::exception_ptr own;
  try {
    work();
  } catch (...) {
    own = std::current_exception();
  }
  throw_described(exchange(describe(own)), own, environment_.is_root());
}

}  // namespace echopath::distributed
