#pragma once

#include <filesystem>
#include <string>

namespace echopath {

/// AtomicFile and AtomicDirectory write under a temporary name, which a killed process leaves
/// behind. The stem of what such a path was to become ("kept" of ".kept.tmp-12-0.csv"); empty where
/// the name is no temporary one.
std::string stem_of_leftover(const std::filesystem::path& path);

}  // namespace echopath
