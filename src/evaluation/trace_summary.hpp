#pragma once

#include <filesystem>

#include "echopath/evaluation/motion_report.hpp"
#include "evaluation/block_plan.hpp"

namespace echopath::evaluation {

/// Reads the blocks of every video of a trace and measures their seams. Throws DataError where the
/// file holds no blocks, or blocks that do not belong together.
TraceSummary summarise_trace(const std::filesystem::path& path, const Blocks& plan);

}  // namespace echopath::evaluation
