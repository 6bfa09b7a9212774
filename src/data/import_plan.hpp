#pragma once

#include <optional>

#include "data/import_clip.hpp"
#include "echopath/data/import.hpp"
#include "echopath/data/splits.hpp"

namespace echopath::data {

/// ImportOptions after checking, in the terms the importer works with.
struct ImportPlan {
  ImportOptions options;
  std::string format;
  std::optional<double> source_fps;  ///< a rate given over what files state
  bool assume_rate = false;
  bool keep_list_splits = true;
  SplitFractions fractions;
};

/// Checks the options and looks into the source. Throws UsageError or DataError.
ImportPlan plan_import(const ImportOptions& options);

/// `prepared`: whether the source's makers have masked its clips (the mask option's auto).
ClipOptions clip_options(const ImportPlan& plan, bool prepared);

}  // namespace echopath::data
