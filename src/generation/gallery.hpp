#pragma once

#include <filesystem>
#include <vector>

#include "echopath/generation/manifest.hpp"

namespace echopath::generation {

/// Writes a grey PNG with one row per video: class, seed and w, then frames spread evenly over it.
/// A long run shows its first 64 videos. Videos are read from `directory`.
void write_contact_sheet(const std::filesystem::path& directory,
                         const std::vector<ManifestEntry>& entries,
                         const std::filesystem::path& png);

/// Writes a page that plays the videos beside it and filters them by class; it needs nothing but
/// them. Where there is neither an MP4 nor a GIF of a video it says so and links the file.
void write_index(const std::vector<ManifestEntry>& entries, const std::filesystem::path& html);

}  // namespace echopath::generation
