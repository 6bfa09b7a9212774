#include "cli/config_kind.hpp"

#include <filesystem>
#include <memory>

#include "echopath/core/errors.hpp"
#include "echopath/core/text.hpp"
#include "echopath/generation/sample.hpp"
#include "echopath/training/train.hpp"

namespace echopath::cli {

std::vector<std::string> config_kinds() {
  std::vector<std::string> kinds = training::trainable_networks();
  kinds.emplace_back("sample");
  return kinds;
}

config::VisitFunction options_of(const std::string& kind) {
  const std::vector<std::string> kinds = config_kinds();
  if (kind == "sample") {
    return [options = std::make_shared<generation::SampleOptions>()](config::Visitor& v) {
      options->visit(v);
    };
  }
  if (std::find(kinds.begin(), kinds.end(), kind) != kinds.end()) {
    return training::training_options(kind);
  }
  const std::string nearest = nearest_name(kind, kinds);
  throw UsageError(
      "config: nothing named '" + kind + "' is configured by a file; " +
      (nearest.empty() ? "known: " + join(kinds, ", ") : "did you mean '" + nearest + "'?"));
}

config::Json check_config_of(const std::string& kind, const std::string& path) {
  const config::VisitFunction options = options_of(kind);
  if (kind != "sample") return training::check_config(kind, path);
  config::apply(config::read_json(path), options, path);
  return config::dump(options);
}

std::string kind_of_file(const std::string& path) {
  const std::string stem = to_lower(std::filesystem::path(path).stem().string());
  for (const std::string& kind : config_kinds()) {
    if (stem.ends_with(kind) || stem.starts_with(kind + "_")) return kind;
  }
  if (stem.ends_with("segmentation")) return "classifier";  // its task
  throw UsageError("config check: the name of '" + path + "' does not say what it configures; " +
                   "give --kind, one of " + join(config_kinds(), ", "));
}

}  // namespace echopath::cli
