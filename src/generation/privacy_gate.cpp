#include "echopath/generation/privacy_gate.hpp"

#include <limits>

#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "echopath/io/safetensors.hpp"
#include "echopath/models/reid.hpp"

namespace echopath::generation {
namespace {

at::Tensor load_embeddings(const fs::path& path, std::int64_t width) {
  require_file(path, "re-ID training embeddings");
  const io::SafetensorsFile file(path);
  at::Tensor embeddings = file.tensor("embeddings").to(at::kFloat).clone();
  if (embeddings.dim() != 2 || embeddings.size(0) < 1 || embeddings.size(1) != width) {
    throw DataError(path.string() + ": 'embeddings' must be [N, " + std::to_string(width) +
                    "] with at least one row");
  }
  return embeddings;
}

}  // namespace

PrivacyGate::PrivacyGate(models::ReIdNet network, at::Tensor embeddings,
                         models::ReIdThreshold threshold)
    : network_(std::move(network)),
      embeddings_(std::move(embeddings)),
      threshold_(std::move(threshold)) {
  TORCH_CHECK(embeddings_.dim() == 2 && embeddings_.size(0) >= 1, "embeddings must be [N, E]");
}

PrivacyGate PrivacyGate::open(const models::ModelDirectory& model, at::Device device) {
  model.require({"reid"});
  const fs::path folder = model.path() / "reid";
  const fs::path embeddings_path = folder / "train_embeddings.safetensors";
  const fs::path threshold_path = folder / "threshold.json";
  for (const fs::path& path : {threshold_path, embeddings_path}) {
    std::error_code error;
    if (fs::status(path, error).type() != fs::file_type::not_found) continue;
    throw DataError("the privacy gate needs '" + path.string() +
                    "', which is missing; `echopath train reid` writes it");
  }
  models::ReIdThreshold threshold = models::read_reid_threshold(threshold_path);
  const std::string remedy = "; write both anew with `echopath train reid`";
  if (threshold.weights_hash != model.component_hash("reid")) {
    throw DataError(threshold_path.string() + ": the threshold belongs to other re-ID weights" +
                    remedy);
  }
  models::ReIdNet network = model.load_reid(device);
  at::Tensor embeddings = load_embeddings(embeddings_path, network->config().embedding_dim);
  if (threshold.embeddings_hash != sha256_file(embeddings_path)) {
    throw DataError(embeddings_path.string() + ": the embeddings are not those of the threshold" +
                    remedy);
  }
  return PrivacyGate(std::move(network), embeddings.to(device), std::move(threshold));
}

double PrivacyGate::similarity(const at::Tensor& latent) const {
  const at::NoGradGuard no_grad;
  const at::Tensor frame =
      models::normalise_per_frame(latent.unsqueeze(0).to(embeddings_.device(), at::kFloat));
  return models::pearson_similarity(network_->embed(frame), embeddings_).max().item<double>();
}

HeartFrame draw_heart_frame(const std::function<at::Tensor(std::uint32_t attempt)>& draw,
                            const PrivacyGate* gate, std::int64_t max_redraws,
                            bool allow_unfiltered) {
  HeartFrame best;
  if (gate == nullptr) {
    best.latent = draw(0);
    return best;
  }
  double nearest = std::numeric_limits<double>::infinity();
  for (std::int64_t attempt = 0; attempt <= max_redraws; ++attempt) {
    const at::Tensor latent = draw(static_cast<std::uint32_t>(attempt));
    const double similarity = gate->similarity(latent);
    if (gate->passes(similarity)) return {latent, similarity, attempt, true};
    if (similarity < nearest) {
      nearest = similarity;
      best = {latent, similarity, max_redraws + 1, false};
    }
  }
  if (allow_unfiltered) return best;
  throw DataError("no heart frame passed the privacy gate in " + std::to_string(max_redraws + 1) +
                  " draws (similarity to a training frame at least " + std::to_string(nearest) +
                  ", limit " + std::to_string(gate->tau()) +
                  "); raise --max-redraws, or go on with --allow-unfiltered");
}

}  // namespace echopath::generation
