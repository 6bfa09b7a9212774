#include "echopath/data/write_directory.hpp"

#include <string>

#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"

namespace echopath::data {

void write_directory(const fs::path& path, const std::function<void(const fs::path&)>& fill) {
  AtomicDirectory directory(path);
  try {
    fill(directory.temporary_path());
    directory.commit();
  } catch (const DataError& error) {
    const std::string hidden = directory.temporary_path().string();
    const std::string shown = (path / "").parent_path().string();  // without a "/" at its end
    std::string message = error.what();
    for (std::size_t at = message.find(hidden); at != std::string::npos;
         at = message.find(hidden, at + shown.size())) {
      message.replace(at, hidden.size(), shown);
    }
    throw DataError(message);
  }
}

}  // namespace echopath::data
