#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "echopath/training/recipe.hpp"

namespace echopath::training {

/// Has threads read and draw the batches of coming steps while one is computed. What they give
/// depends neither on how many they are nor on their timing.
class BatchLoader {
 public:
  /// The forward passes of a step.
  using Plan = std::function<std::vector<MicroBatch>(std::int64_t step)>;

  /// Gives the batches of the steps `first` … `end` − 1. With no workers they are loaded where they
  /// are asked for. At most `prefetch` steps are held ready. `recipe` must outlive this.
  BatchLoader(const Recipe& recipe, Plan plan, std::int64_t first, std::int64_t end,
              std::int64_t workers, std::int64_t prefetch);
  ~BatchLoader();
  BatchLoader(const BatchLoader&) = delete;
  BatchLoader& operator=(const BatchLoader&) = delete;

  /// The batches of the next step, in the order of the plan. Throws what loading them threw.
  std::vector<Batch> next();
  /// Whether next() has given the last step's.
  bool exhausted() const { return next_ >= end_; }

 private:
  /// A step under way: its passes, those that nobody has taken yet, and what came of them.
  struct Step {
    std::vector<MicroBatch> plan;
    std::vector<Batch> batches;
    std::size_t taken = 0;
    std::size_t done = 0;
    std::exception_ptr fault;
  };
  void work();
  /// A step with a pass to take, planning the next one where there is room; null where there is
  /// none.
  Step* step_with_work();

  const Recipe& recipe_;
  Plan plan_;
  std::int64_t next_;  ///< step that next() gives
  std::int64_t planned_;
  std::int64_t end_;
  std::size_t prefetch_;
  std::deque<Step> steps_;  ///< from next_ on; elements stay where they are
  bool stop_ = false;
  std::mutex mutex_;
  std::condition_variable work_;
  std::condition_variable ready_;
  std::vector<std::thread> workers_;
};

}  // namespace echopath::training
