#pragma once

#include "echopath/core/allocator.hpp"

namespace echopath::nn {

/// While one lives, the Linear and convolution layers that this thread makes leave their weights as
/// the memory came, for networks whose weights are all loaded next: drawing them takes longer than
/// reading them. The weights' memory is separate: a map of the file may take its place.
class UninitialisedScope {
 public:
  UninitialisedScope();
  ~UninitialisedScope();
  UninitialisedScope(const UninitialisedScope&) = delete;
  UninitialisedScope& operator=(const UninitialisedScope&) = delete;

  /// Whether one lives in this thread.
  static bool active();

 private:
  SeparateBlocksScope separate_;
  bool outer_;
};

}  // namespace echopath::nn
