#pragma once

#include <map>
#include <string>

#include "echopath/models/model_directory.hpp"

namespace echopath::generation {

/// The name of the last of model_hashes().
inline constexpr const char* kSettingsHash = "settings";

/// SHA-256 of each part of a model that decides what is drawn, by its name, as far as it is there:
/// the weights of vae, lidm, lvdm, reid and both class embeddings, the scheduler's file, and
/// `settings`, one hash over echopath.json (without its `components`), the networks' configs, and
/// the threshold and training embeddings of the privacy gate.
std::map<std::string, std::string> model_hashes(const models::ModelDirectory& model);

}  // namespace echopath::generation
