#pragma once

#include <filesystem>
#include <functional>

namespace echopath::data {

/// Makes the folder `path`, which appears when it is whole: `fill` writes into a temporary folder
/// that is renamed afterwards. A DataError that `fill` throws, and this does, names files under
/// `path`, not under the temporary folder.
void write_directory(const std::filesystem::path& path,
                     const std::function<void(const std::filesystem::path& temporary)>& fill);

}  // namespace echopath::data
