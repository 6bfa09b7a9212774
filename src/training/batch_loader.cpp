#include "training/batch_loader.hpp"

#include "echopath/core/threads.hpp"

namespace echopath::training {

BatchLoader::BatchLoader(const Recipe& recipe, Plan plan, std::int64_t first, std::int64_t end,
                         std::int64_t workers, std::int64_t prefetch)
    : recipe_(recipe),
      plan_(std::move(plan)),
      next_(first),
      planned_(first),
      end_(end),
      prefetch_(static_cast<std::size_t>(prefetch)) {
  for (std::int64_t i = 0; i < workers; ++i) workers_.emplace_back([this] { work(); });
}

BatchLoader::~BatchLoader() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  work_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

BatchLoader::Step* BatchLoader::step_with_work() {
  for (Step& step : steps_) {
    if (step.taken < step.plan.size()) return &step;
  }
  if (steps_.size() >= prefetch_ || planned_ >= end_) return nullptr;
  Step& step = steps_.emplace_back();
  step.plan = plan_(planned_++);
  step.batches.resize(step.plan.size());
  return &step;
}

void BatchLoader::work() {
  compute_on_this_thread_alone();
  std::unique_lock lock(mutex_);
  while (true) {
    Step* step = nullptr;
    work_.wait(lock, [&] { return stop_ || (step = step_with_work()) != nullptr; });
    if (stop_) return;
    const std::size_t index = step->taken++;
    const MicroBatch micro = step->plan[index];
    lock.unlock();
    Batch batch;
    std::exception_ptr fault;
    try {
      batch = recipe_.load(micro);
    } catch (...) {
      fault = std::current_exception();
    }
    lock.lock();
    step->batches[index] = std::move(batch);
    if (fault && !step->fault) step->fault = fault;
    if (++step->done == step->plan.size()) ready_.notify_all();
  }
}

std::vector<Batch> BatchLoader::next() {
  if (workers_.empty()) {
    std::vector<Batch> batches;
    for (const MicroBatch& micro : plan_(next_++)) batches.push_back(recipe_.load(micro));
    return batches;
  }
  std::unique_lock lock(mutex_);
  ready_.wait(lock,
              [&] { return !steps_.empty() && steps_.front().done == steps_.front().plan.size(); });
  Step step = std::move(steps_.front());
  steps_.pop_front();
  ++next_;
  lock.unlock();
  work_.notify_all();
  if (step.fault) std::rethrow_exception(step.fault);
  return std::move(step.batches);
}

}  // namespace echopath::training
