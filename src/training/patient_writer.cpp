#include "training/patient_writer.hpp"

#include <filesystem>
#include <utility>

#include "echopath/core/errors.hpp"
#include "echopath/core/logging.hpp"
#include "echopath/core/text.hpp"

namespace echopath::training {

PatientWriter::PatientWriter(std::string what, std::chrono::duration<double> interval)
    : what_(std::move(what)), interval_(std::chrono::duration_cast<Clock::duration>(interval)) {}

bool PatientWriter::due() const {
  return behind_ && Clock::now() - last_attempt_ >= interval_;
}

bool PatientWriter::attempt(const std::function<void()>& write) {
  try {
    write();
    if (behind_) log_info(what_ + " can be written again");
    behind_ = false;
    return true;
  } catch (const DataError& error) {
    reason_ = error.what();
  } catch (const std::filesystem::filesystem_error& error) {
    reason_ = one_line(error.what());
  }
  last_attempt_ = Clock::now();
  if (!behind_ || last_attempt_ - last_warning_ >= interval_) {
    last_warning_ = last_attempt_;
    log_warning(what_ + " cannot be written (" + reason_ +
                "); training goes on and writing is tried again");
  }
  behind_ = true;
  return false;
}

}  // namespace echopath::training
