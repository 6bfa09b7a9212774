#pragma once

#include <filesystem>

#include "echopath/evaluation/motion_report.hpp"

namespace echopath::evaluation {

/// Reads the blocks of every video of a trace and measures their seams. Throws DataError where the
/// file holds no blocks, or blocks that do not belong together.
TraceSummary summarise_trace(const std::filesystem::path& path, std::int64_t context_frames);

}  // namespace echopath::evaluation
