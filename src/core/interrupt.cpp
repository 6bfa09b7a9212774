#include "echopath/core/interrupt.hpp"

#include <atomic>
#include <csignal>

#include "echopath/core/errors.hpp"

namespace echopath {
namespace {

std::atomic<bool> requested{false};
std::atomic<bool> interrupted_once{false};
static_assert(std::atomic<bool>::is_always_lock_free, "the handler must be async-signal-safe");

extern "C" void handle_signal(int signal_number) {
  requested = true;
  if (signal_number == SIGINT && interrupted_once.exchange(true)) {
    std::signal(SIGINT, SIG_DFL);
    std::raise(SIGINT);
  }
}

}  // namespace

void install_interrupt_handlers() {
  requested = false;
  interrupted_once = false;
  struct sigaction action = {};
  action.sa_handler = handle_signal;
  sigemptyset(&action.sa_mask);
  action.sa_flags = SA_RESTART;
  for (const int signal_number : {SIGINT, SIGTERM, SIGUSR1}) {
    sigaction(signal_number, &action, nullptr);
  }
}

bool interrupt_requested() {
  return requested;
}

void throw_if_interrupted(const std::string& message) {
  if (interrupt_requested()) {
    throw Interrupted(message);
  }
}

}  // namespace echopath
