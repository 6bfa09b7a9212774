#pragma once

#include <chrono>
#include <functional>
#include <string>

namespace echopath::training {

/// Writes that a training outlives: where the disk is full, or fails otherwise, they are put off.
class PatientWriter {
 public:
  using Clock = std::chrono::steady_clock;

  /// `what` is written, "the checkpoint"; tried again, and the warning repeated, `interval` after
  /// the last attempt.
  PatientWriter(std::string what, std::chrono::duration<double> interval);

  /// Runs `write`. Where it throws DataError or a file system's error, warns of that and returns
  /// false; unless `interval` has not passed since the last warning. Says when it works again.
  bool attempt(const std::function<void()>& write);
  /// Whether the last attempt failed.
  bool behind() const { return behind_; }
  /// Whether it failed and it is time to try again.
  bool due() const;
  /// Why the last attempt failed.
  const std::string& reason() const { return reason_; }

 private:
  std::string what_;
  Clock::duration interval_;
  bool behind_ = false;
  std::string reason_;
  Clock::time_point last_attempt_;
  Clock::time_point last_warning_;
};

}  // namespace echopath::training
