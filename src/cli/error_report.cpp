#include "cli/error_report.hpp"

#include <filesystem>
#include <new>
#include <ostream>

#include "echopath/core/errors.hpp"
#include "echopath/core/text.hpp"

namespace echopath::cli {
namespace {

constexpr const char* kMemoryRemedy =
    "; try a smaller batch (--set training.micro_batch_size=…, --batch), fewer frames, or more "
    "memory";

int report(std::ostream& out, const std::string& message, ExitCode code) {
  // Nothing to say: another process of the run has said it.
  if (!message.empty()) out << "echopath: error: " << message << std::endl;
  return static_cast<int>(code);
}

bool contains(const std::string& text, const char* part) {
  return text.find(part) != std::string::npos;
}

int report_foreign(std::ostream& out, const std::string& message) {
  if (contains(message, "CUDA out of memory")) {
    return report(out, message + kMemoryRemedy, ExitCode::kDevice);
  }
  if (contains(message, "can't allocate memory") || contains(message, "not enough memory")) {
    return report(out, "out of memory: " + message + kMemoryRemedy, ExitCode::kInternal);
  }
  if (contains(message, "CUDA error") || contains(message, "NCCL")) {
    return report(out, message, ExitCode::kDevice);
  }
  return report(out, "internal error: " + message, ExitCode::kInternal);
}

}  // namespace

std::string first_line(const std::string& message) {
  std::size_t end = message.find('\n');
  end = std::min(end, message.find("Exception raised from"));
  return trim(message.substr(0, end));
}

int report_current_exception(std::ostream& out) {
  try {
    throw;
  } catch (const Error& error) {
    std::string message = error.what();
    for (char& c : message) {
      if (c == '\n' || c == '\r') c = ' ';
    }
    return report(out, message, error.exit_code());
  } catch (const std::bad_alloc&) {
    return report(out, std::string("out of memory") + kMemoryRemedy, ExitCode::kInternal);
  } catch (const std::filesystem::filesystem_error& error) {
    return report(out, first_line(error.what()), ExitCode::kData);
  } catch (const std::exception& error) {
    return report_foreign(out, first_line(error.what()));
  } catch (...) {
    return report(out, "internal error of an unknown kind", ExitCode::kInternal);
  }
}

}  // namespace echopath::cli
