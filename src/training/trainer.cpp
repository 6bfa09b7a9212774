#include "echopath/training/trainer.hpp"

#include <cmath>
#include <optional>
#include <thread>

#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "echopath/core/interrupt.hpp"
#include "echopath/core/logging.hpp"
#include "echopath/core/text.hpp"
#include "training/autocast.hpp"
#include "training/batch_loader.hpp"
#include "training/checkpointer.hpp"
#include "training/figures.hpp"
#include "training/parallel.hpp"
#include "training/preflight.hpp"
#include "training/training_log.hpp"

namespace echopath::training {
namespace {

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

Trainer::Trainer(Recipe& recipe, TrainerOptions options)
    : recipe_(recipe),
      options_(std::move(options)),
      group_(options_.group),
      started_(std::chrono::steady_clock::now()) {
  if (!group_) group_ = distributed::make_process_group({}, options_.device);
  const LoopOptions& loop = options_.loop;
  if (options_.device.is_cuda()) allow_tf32(loop.tf32);
  for (int phase = 0; phase < recipe_.phases(); ++phase) {
    modules_.push_back(recipe_.modules(phase));
    optimizers_.push_back(make_optimizer(named_parameters(modules_.back()), loop));
  }
  ema_ = std::make_unique<Ema>(optimizers_.front()->parameters(), loop.ema_decay);
  loop_ = std::make_unique<LoopState>(loop);
  checkpointer_ = std::make_unique<Checkpointer>(
      options_, RunParts{recipe_, *group_, modules_, optimizers_, *ema_, *loop_});
  open_run_directory();
  for (const auto& modules : modules_) {
    reducers_.push_back(group_->make_gradient_reducer(in_order_of_use(modules)));
  }
}

Trainer::~Trainer() = default;

std::int64_t Trainer::step() const {
  return loop_->step;
}

/// Runs `work` on rank 0; where it throws, it throws on every process.
void Trainer::on_root(const std::function<void()>& work) {
  std::exception_ptr fault;
  try {
    if (is_root()) work();
  } catch (...) {
    fault = std::current_exception();
  }
  group_->rethrow_together(fault);
}

/// Opens the folder and gives every process the state of rank 0. `config.json`, which makes it a
/// run's folder, comes last: a run that dies before can be started again as it was.
void Trainer::open_run_directory() {
  const fs::path& run = options_.run_directory;
  if (run.empty()) return share_state();
  on_root([&] {
    require_run_directory(run, options_.resume);
    fs::create_directories(run);
    lock_ = std::make_unique<FolderLock>(run, "training");
    add_log_file(run / "log.txt");
    if (options_.resume) checkpointer_->resume();
  });
  checkpointer_->share();
  share_state();
  if (options_.save_start && loop_->step == 0) checkpointer_->save();
  on_root([&] {
    write_run_config();
    const auto resumed_at = options_.resume ? std::optional(loop_->step) : std::nullopt;
    log_ = std::make_unique<TrainingLog>(
        TrainingLog::Options{run, options_.loop, options_.device, options_.config, resumed_at});
  });
}

/// A run that goes on as it was needs no space for that, on a disk that may be full.
void Trainer::write_run_config() const {
  const fs::path file = options_.run_directory / "config.json";
  const std::string text = options_.config.dump(2) + "\n";
  if (!options_.resume) return write_file(file, text);
  if (read_file(file) == text) return;
  try {
    write_file(file, text);
  } catch (const DataError& error) {
    log_warning("config.json keeps the options that the run had before: " +
                std::string(error.what()));
  }
}

/// A fresh network must be the same everywhere to begin with: one that is not was made from other
/// weights, another seed or another program.
void Trainer::share_state() {
  if (group_->size() == 1) return;
  for (const auto& modules : modules_) {
    io::TensorMap buffers;
    for (const NamedModule& module : modules) {
      for (const auto& item : module.module->named_buffers()) {
        buffers[module.name + "." + item.key()] = item.value();
      }
    }
    broadcast_from_root(buffers, *group_);
  }
  const io::TensorMap all = named_tensors(modules_);
  distributed::check_parameters_equal(*group_, {all.begin(), all.end()});
}

bool Trainer::time_is_up() const {
  const double minutes = seconds_since(started_) / 60.0;
  return options_.loop.time_limit_minutes > 0 && minutes >= options_.loop.time_limit_minutes;
}

void Trainer::set_training(bool on) {
  for (auto& modules : modules_) {
    for (NamedModule& module : modules) module.module->train(on);
  }
}

/// Runs `work` with the networks as they are used: averaged weights, no dropout.
void Trainer::as_trained(const std::function<void()>& work) {
  torch::NoGradGuard no_grad;
  EmaScope averaged(*ema_);
  set_training(false);
  {
    const AutocastScope autocast = autocast_scope(options_.loop.precision, options_.device.type());
    work();
  }
  set_training(true);
}

/// Shows what the network makes now. A network that makes no numbers yet is no reason to stop.
void Trainer::show_samples() {
  on_root([&] {
    as_trained([&] {
      try {
        log_->samples(loop_->step, recipe_.samples(options_.model_directory));
      } catch (const DataError& error) {
        log_warning("step " + std::to_string(loop_->step) + ": no samples: " + error.what());
      } catch (const Interrupted&) {
        // Of no use any more: the run is about to stop.
      }
    });
  });
}

/// Validates on rank 0; true where the result is the best so far.
bool Trainer::run_validation() {
  as_trained([&] { loop_->validation = recipe_.validate(); });
  const Figures& figures = loop_->validation;
  if (figures.empty()) return false;
  log_->validation(loop_->step, figures);
  log_info("step " + std::to_string(loop_->step) + ": validation  " + describe_figures(figures));
  return figures.front().second < loop_->best;
}

/// Validates this step, unless that has been done, and saves it where it is the best so far. A
/// signal ends it: a run that goes on from there validates first.
void Trainer::validate() {
  LoopState& loop = *loop_;
  if (loop.validated_step == loop.step) return;
  bool better = false, stopped = false;
  on_root([&] {
    try {
      better = run_validation();
    } catch (const Interrupted&) {
      stopped = true;
    }
  });
  if (group_->any(stopped)) {
    save_and_leave("stopped by a signal at step " + std::to_string(loop.step) +
                   ", in its validation");
  }
  loop.validated_step = loop.step;
  if (!group_->any(better)) return;
  const double best_before = loop.best;
  const std::int64_t best_step_before = loop.best_step;
  if (better) {
    loop.best = loop.validation.front().second;
    loop.best_step = loop.step;
  }
  if (checkpointer_->save()) return;
  // The best is one that can be gone back to.
  loop.best = best_before;
  loop.best_step = best_step_before;
}

std::int64_t Trainer::restore_best() {
  return checkpointer_->restore_best();
}

/// `fault`: why this process cannot read the batches of the next step, where it cannot.
Trainer::Halt Trainer::agree_on_halt(const std::exception_ptr& fault) {
  const bool done = is_root() && (recipe_.finished() || time_is_up());
  const bool save = is_root() && checkpointer_->due();
  std::vector<at::Tensor> votes = {at::tensor(
      {interrupt_requested() ? 1 : 0, done ? 1 : 0, save ? 1 : 0, fault ? 1 : 0}, at::kLong)};
  group_->all_reduce_sum(votes);
  const auto any = [&](int i) { return votes[0][i].item<std::int64_t>() > 0; };
  return {any(0), any(1), any(2), any(3)};
}

void Trainer::report_step(const Figures& figures, double rate, const StepTime& time) {
  if (!is_root()) return;
  const std::int64_t step = loop_->step;
  log_->step(step, figures, rate, time);
  if (step % options_.loop.log_every == 0) {
    log_->add_losses_by_level(recipe_.take_losses_by_level());
  }
  if (step % options_.loop.validate_every == 0) log_->write_losses_by_level(step);
}

void Trainer::save_and_leave(const std::string& why) {
  const bool saved = checkpointer_->save();
  group_->barrier();  // nobody leaves before rank 0 has saved
  if (!saved) {
    distributed::throw_once(
        *group_,
        DataError(why + ", but the checkpoint cannot be saved (" + checkpointer_->reason() + "); " +
                  (checkpointer_->saved_step() < 0
                       ? "there is no earlier one"
                       : "the newest one is that of step " +
                             std::to_string(checkpointer_->saved_step()))));
  }
  distributed::throw_once(*group_,
                          Interrupted(why + "; the checkpoint is saved, continue with --resume"));
}

/// The last step is not to be lost: waits until the disk takes it.
void Trainer::save_at_the_end() {
  const auto start = std::chrono::steady_clock::now();
  bool saved = checkpointer_->save();
  while (!saved) {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    const Halt halt = agree_on_halt(nullptr);
    const bool late = seconds_since(start) > 60.0 * options_.loop.wait_timeout_minutes;
    if (halt.interrupted || group_->any(late)) {
      save_and_leave("stopped after the last step, " + std::to_string(loop_->step));
    }
    saved = halt.save && checkpointer_->save();
  }
}

std::unique_ptr<BatchLoader> Trainer::make_loader(std::int64_t end) const {
  const LoopOptions& loop = options_.loop;
  const auto plan = [&loop, group = group_](std::int64_t step) {
    return micro_batches(loop, step, group->rank(), group->size());
  };
  return std::make_unique<BatchLoader>(recipe_, plan, loop_->step, end, loop.loader_workers,
                                       loop.prefetch_steps);
}

struct Trainer::Fetched {
  std::vector<Batch> batches;
  double waited = 0.0;
  std::exception_ptr fault;

  /// Nothing where the loader has given all.
  static Fetched from(BatchLoader& loader) {
    Fetched fetched;
    if (loader.exhausted()) return fetched;
    const auto start = std::chrono::steady_clock::now();
    try {
      fetched.batches = loader.next();
    } catch (...) {
      fetched.fault = std::current_exception();
    }
    fetched.waited = seconds_since(start);
    return fetched;
  }
};

/// Where a process cannot read its data, the steps done are saved, and all stop.
void Trainer::stop_where_data_fail(const Halt& halt, const std::exception_ptr& fault) {
  if (!halt.unreadable) return;
  if (!options_.run_directory.empty()) checkpointer_->save();
  group_->rethrow_together(fault);
}

Figures Trainer::timed_step(const Fetched& fetched, StepTime& time) {
  const auto start = std::chrono::steady_clock::now();
  const Figures figures = train_step(fetched.batches);
  time.waited += fetched.waited;
  time.seconds += fetched.waited + seconds_since(start);
  return figures;
}

StepTime Trainer::time_steps(std::int64_t steps) {
  set_training(true);
  const std::unique_ptr<BatchLoader> loader = make_loader(loop_->step + steps + 1);
  StepTime total;
  for (std::int64_t i = 0; i <= steps; ++i) {
    const Fetched fetched = Fetched::from(*loader);
    const Halt halt = agree_on_halt(fetched.fault);
    if (halt.interrupted) {
      distributed::throw_once(*group_, Interrupted("stopped by a signal while timing steps"));
    }
    stop_where_data_fail(halt, fetched.fault);
    if (i == 1) total = {};  // the first one is not counted
    timed_step(fetched, total);
  }
  return {total.seconds / static_cast<double>(steps), total.waited / static_cast<double>(steps)};
}

Trainer::Halt Trainer::halt_or_leave(const std::exception_ptr& fault) {
  const Halt halt = agree_on_halt(fault);
  if (halt.interrupted) {
    save_and_leave("stopped by a signal at step " + std::to_string(loop_->step));
  }
  return halt;
}

/// Validates and shows samples where it is time to; whether it did, which takes long.
bool Trainer::look_at_step() {
  const LoopOptions& loop = options_.loop;
  const bool validates = loop_->step % loop.validate_every == 0;
  const bool samples = loop.sample_every > 0 && loop_->step % loop.sample_every == 0;
  if (validates) validate();
  if (samples) show_samples();
  return validates || samples;
}

Figures Trainer::run() {
  const LoopOptions& loop = options_.loop;
  set_training(true);
  // A signal may have come between a step and its validation.
  if (loop_->step > 0 && loop_->step % loop.validate_every == 0) validate();
  const std::unique_ptr<BatchLoader> loader = make_loader(loop.steps);
  Fetched next = Fetched::from(*loader);
  Halt halt = agree_on_halt(next.fault);
  while (loop_->step < loop.steps && !halt.done) {
    stop_where_data_fail(halt, next.fault);
    const double rate = learning_rate();
    StepTime time;
    const Figures figures = timed_step(next, time);
    report_step(figures, rate, time);
    next = Fetched::from(*loader);
    // Before what takes long: a scheduler that sent a signal does not wait for that.
    halt = halt_or_leave(next.fault);
    const bool looked = look_at_step();
    if (loop_->step % loop.checkpoint_every == 0 || halt.save) checkpointer_->save();
    if (looked) halt = halt_or_leave(next.fault);
  }
  if (log_) log_->finish();
  validate();
  save_at_the_end();
  return loop_->validation;
}

}  // namespace echopath::training
