#pragma once

#include <filesystem>
#include <vector>

#include "echopath/generation/manifest.hpp"

namespace echopath::generation {

/// What a run leaves beside its videos, from the manifest: FileList.csv, the page and the contact
/// sheet, the largest last. Nothing where there are no videos.
void finish_directory(const std::filesystem::path& directory,
                      const std::vector<ManifestEntry>& entries);

}  // namespace echopath::generation
