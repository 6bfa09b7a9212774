#include "evaluation/block_plan.hpp"

#include "echopath/core/files.hpp"
#include "echopath/generation/manifest.hpp"

namespace echopath::evaluation {

BlockPlan::BlockPlan(const std::string& samples, std::int64_t block_length)
    : usual_{block_length, 0, 0} {
  const fs::path manifest = fs::path(samples) / generation::kManifest;
  if (samples.empty() || !fs::is_regular_file(manifest)) return;
  for (const auto& entry : generation::read_manifest(manifest)) {
    const Blocks blocks{entry.block_length, entry.context_frames, entry.seam_fade};
    if (blocks_.empty()) usual_ = blocks;
    blocks_[fs::path(entry.file).stem().string()] = blocks;
  }
}

Blocks BlockPlan::of(const std::string& name) const {
  const auto found = blocks_.find(name);
  return found == blocks_.end() ? usual_ : found->second;
}

}  // namespace echopath::evaluation
