#pragma once

#include <stdexcept>
#include <string>

namespace echopath {

/// Exit codes of the program (docs/cli.md).
enum class ExitCode : int {
  kDone = 0,
  kInternal = 1,       ///< a fault of ours
  kUsage = 2,          ///< wrong command line or config
  kData = 3,           ///< bad input data, or a demand that the data cannot meet
  kDevice = 4,         ///< device or process group
  kInterrupted = 130,  ///< stopped by a signal, after saving
};

/// Base of every error that reaches a user: one line that says what was wrong, where, and what
/// would be right.
class Error : public std::runtime_error {
 public:
  Error(ExitCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  ExitCode exit_code() const { return code_; }

 private:
  ExitCode code_;
};

/// A wrong command line.
class UsageError : public Error {
 public:
  explicit UsageError(const std::string& message) : Error(ExitCode::kUsage, message) {}
};

/// A wrong configuration: names file, key and the remedy.
class ConfigError : public Error {
 public:
  explicit ConfigError(const std::string& message) : Error(ExitCode::kUsage, message) {}
};

/// Input data that is missing, damaged, or not enough for what was asked.
class DataError : public Error {
 public:
  explicit DataError(const std::string& message) : Error(ExitCode::kData, message) {}
};

/// A device or process group that is absent or failed.
class DeviceError : public Error {
 public:
  explicit DeviceError(const std::string& message) : Error(ExitCode::kDevice, message) {}
};

/// A signal asked us to stop; everything worth keeping has been saved.
class Interrupted : public Error {
 public:
  explicit Interrupted(const std::string& message) : Error(ExitCode::kInterrupted, message) {}
};

}  // namespace echopath
