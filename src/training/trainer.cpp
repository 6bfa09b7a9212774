#include "echopath/training/trainer.hpp"

#include <cmath>
#include <numbers>
#include <optional>

#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "echopath/core/interrupt.hpp"
#include "echopath/core/logging.hpp"
#include "echopath/core/progress.hpp"
#include "echopath/core/text.hpp"
#include "echopath/training/checkpoint.hpp"
#include "training/autocast.hpp"
#include "training/parallel.hpp"
#include "training/preflight.hpp"

namespace echopath::training {
namespace {

/// Drops the lines of metrics.jsonl that a resumed run will write again.
void truncate_metrics(const fs::path& path, std::int64_t step) {
  if (!fs::exists(path)) return;
  std::string kept;
  for (const std::string& line : split(read_file(path), '\n')) {
    const config::Json row = config::Json::parse(line, nullptr, false);
    if (row.is_object() && row.value("step", std::int64_t{0}) <= step) kept += line + "\n";
  }
  write_file(path, kept);
}

std::string describe_figures(const Figures& figures) {
  std::string text;
  char number[64];
  for (const auto& [name, value] : figures) {
    std::snprintf(number, sizeof(number), "%s%s %.4g", text.empty() ? "" : "  ", name.c_str(),
                  value);
    text += number;
  }
  return text;
}

}  // namespace

std::vector<NamedParameter> named_parameters(const std::vector<NamedModule>& modules) {
  std::vector<NamedParameter> parameters;
  for (const NamedModule& module : modules) {
    for (const auto& item : module.module->named_parameters()) {
      if (item.value().requires_grad()) {
        parameters.push_back({module.name + "." + item.key(), item.value()});
      }
    }
  }
  return parameters;
}

double learning_rate_factor(const LoopOptions& loop, std::int64_t step) {
  double factor = 1.0;
  if (step < loop.warmup_steps) {
    factor = static_cast<double>(step + 1) / static_cast<double>(loop.warmup_steps);
  } else if (loop.learning_rate_schedule == "cosine") {
    const auto length =
        static_cast<double>(std::max<std::int64_t>(1, loop.steps - loop.warmup_steps));
    const double position = static_cast<double>(step - loop.warmup_steps) / length;
    factor = 0.5 * (1.0 + std::cos(std::numbers::pi * std::min(1.0, position)));
  }
  return factor;
}

Trainer::Trainer(Recipe& recipe, TrainerOptions options)
    : recipe_(recipe),
      options_(std::move(options)),
      group_(options_.group),
      started_(std::chrono::steady_clock::now()) {
  if (!group_) group_ = distributed::make_process_group({}, options_.device);
  const LoopOptions& loop = options_.loop;
  const AdamOptions adam{loop.adam_beta1, loop.adam_beta2, loop.adam_epsilon, loop.weight_decay,
                         loop.optimizer == "adamw"};
  for (int phase = 0; phase < recipe_.phases(); ++phase) {
    modules_.push_back(recipe_.modules(phase));
    optimizers_.push_back(std::make_unique<Adam>(named_parameters(modules_.back()), adam));
  }
  ema_ = std::make_unique<Ema>(optimizers_.front()->parameters(), loop.ema_decay);
  open_run_directory();
  share_state();
  for (const auto& modules : modules_) {
    reducers_.push_back(group_->make_gradient_reducer(in_order_of_use(modules)));
  }
}

void Trainer::open_run_directory() {
  std::int64_t code = 0;
  std::exception_ptr fault;
  try {
    if (is_root()) begin_or_resume();
  } catch (const Error& error) {
    code = static_cast<std::int64_t>(error.exit_code());
    fault = std::current_exception();
  }
  code = group_->sum(code);
  if (code != 0) group_->part();
  if (fault) std::rethrow_exception(fault);
  if (code != 0) throw distributed::ToldByRoot(static_cast<ExitCode>(code));
}

void Trainer::begin_or_resume() {
  const fs::path& run = options_.run_directory;
  require_run_directory(run, options_.resume);
  if (options_.resume) resume_from_checkpoint();
  fs::create_directories(run);
  add_log_file(run / "log.txt");
  write_file(run / "config.json", options_.config.dump(2) + "\n");
}

/// Gives every process the state of rank 0. A fresh network must be the same everywhere to begin
/// with: one that is not was made from other weights, another seed or another program.
void Trainer::share_state() {
  if (group_->size() == 1) return;
  if (options_.resume) {
    const config::Json small = {{"step", step_}, {"recipe", recipe_.state()}};
    const config::Json root = config::Json::parse(group_->all_gather_text(small.dump()).front());
    step_ = root.at("step").get<std::int64_t>();
    if (!is_root() && step_ > 0) {
      recipe_.load_state(root.at("recipe").get<std::map<std::string, double>>());
    }
    broadcast_from_root(weights(), *group_);
    broadcast_from_root(ema_->state(), *group_);
    for (const auto& optimizer : optimizers_) broadcast_from_root(optimizer->state(), *group_);
  }
  for (const auto& modules : modules_) {
    io::TensorMap buffers;
    for (const NamedModule& module : modules) {
      for (const auto& item : module.module->named_buffers()) {
        buffers[module.name + "." + item.key()] = item.value();
      }
    }
    broadcast_from_root(buffers, *group_);
  }
  const io::TensorMap all = weights();
  distributed::check_parameters_equal(*group_, {all.begin(), all.end()});
}

void Trainer::resume_from_checkpoint() {
  const fs::path& run = options_.run_directory;
  std::optional<Checkpoint> checkpoint = load_newest_checkpoint(run);
  if (!checkpoint) {
    log_info(run.string() + " holds no whole checkpoint; starting at step 0");
    return;
  }
  torch::NoGradGuard no_grad;
  const std::string source = run.string();
  const io::TensorMap own = weights();
  for (const auto& [name, tensor] : own) {
    const auto found = checkpoint->weights.find(name);
    if (found == checkpoint->weights.end() || found->second.sizes() != tensor.sizes()) {
      throw DataError(source + ": the checkpoint's weights lack '" + name +
                      "' or hold it with another shape; the config describes another network");
    }
    tensor.copy_(found->second);
  }
  ema_->load_state(checkpoint->ema, source);
  for (auto& optimizer : optimizers_) optimizer->load_state(checkpoint->optimizer, source);
  best_ = checkpoint->recipe_state.contains("trainer.best")
              ? checkpoint->recipe_state.at("trainer.best")
              : best_;
  recipe_.load_state(checkpoint->recipe_state);
  step_ = saved_step_ = checkpoint->step;
  truncate_metrics(run / "metrics.jsonl", step_);
  log_info("resumed " + run.string() + " at step " + std::to_string(step_));
  if (checkpoint->processes != group_->size()) {
    log_info("it was saved by " + std::to_string(checkpoint->processes) +
             " processes and goes on with " + std::to_string(group_->size()) +
             ": sums are taken in another order, so that the last bits will differ");
  }
}

io::TensorMap Trainer::weights() const {
  io::TensorMap tensors;
  for (const auto& modules : modules_) {
    for (const NamedModule& module : modules) {
      for (const auto& item : module.module->named_parameters()) {
        tensors[module.name + "." + item.key()] = item.value().detach();
      }
      for (const auto& item : module.module->named_buffers()) {
        tensors[module.name + "." + item.key()] = item.value();
      }
    }
  }
  return tensors;
}

double Trainer::learning_rate() const {
  return options_.loop.learning_rate * learning_rate_factor(options_.loop, step_);
}

bool Trainer::time_is_up() const {
  const double minutes =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - started_).count() / 60.0;
  return options_.loop.time_limit_minutes > 0 && minutes >= options_.loop.time_limit_minutes;
}

bool Trainer::optimise_phase(int phase, Figures& figures) {
  const LoopOptions& loop = options_.loop;
  const auto index = static_cast<std::size_t>(phase);
  for (auto& other : optimizers_) other->zero_grad();
  const std::vector<MicroBatch> batches =
      micro_batches(loop, step_, group_->rank(), group_->size());
  Figures means;
  for (const MicroBatch& batch : batches) {
    const double share = static_cast<double>(batch.positions.size() * group_->size()) /
                         static_cast<double>(loop.batch_size);
    seed_forward_pass(loop.seed, phase, batch);
    Figures part;
    at::Tensor loss;
    {
      AutocastScope autocast(loop.precision == "bf16", options_.device.type());
      loss = recipe_.loss(phase, batch, part);
    }
    reducers_[index]->backward(loss * share, &batch == &batches.back());
    part.insert(part.begin(),
                {phase == 0 ? "loss" : modules_[index].front().name, loss.item<double>()});
    accumulate(part, share, means);
  }
  average(means, *group_);
  const double norm = optimizers_[index]->clip_grad_norm(loop.max_grad_norm);
  const double total = means.front().second;
  if (phase == 0) means.emplace_back("grad_norm", norm);
  figures.insert(figures.begin(), means.begin(), means.end());
  if (!std::isfinite(total) || !std::isfinite(norm)) return false;
  optimizers_[index]->step(learning_rate() * recipe_.learning_rate_factor(phase));
  return true;
}

void Trainer::guard(bool finite) {
  if (finite) {
    nonfinite_in_a_row_ = 0;
    return;
  }
  ++nonfinite_in_a_row_;
  if (is_root()) {
    log_warning("step " + std::to_string(step_ + 1) +
                ": loss or gradient is not finite; step skipped (" +
                std::to_string(nonfinite_in_a_row_) + " in a row)");
  }
  if (nonfinite_in_a_row_ < options_.loop.max_nonfinite_steps) return;
  distributed::throw_once(
      *group_,
      DataError("training stopped at step " + std::to_string(step_ + 1) + ": " +
                std::to_string(nonfinite_in_a_row_) +
                " steps in a row without a finite loss; lower training.learning_rate or look "
                "at the data. The last good state is in " +
                (options_.run_directory / "checkpoints").string()));
}

Figures Trainer::train_step() {
  Figures figures;
  bool finite = true;
  for (int phase = 0; phase < recipe_.phases(); ++phase) {
    if (!recipe_.active(phase, step_)) continue;
    finite = optimise_phase(phase, figures) && finite;
  }
  guard(finite);
  ++step_;
  ema_->update(step_);
  return figures;
}

void Trainer::write_metrics(const Figures& figures, const char* kind) {
  config::Json row = {{"step", step_}, {"kind", kind}};
  for (const auto& [name, value] : figures) row[name] = value;
  LineAppender(options_.run_directory / "metrics.jsonl").append(row.dump());
}

void Trainer::validate() {
  if (!is_root() || validated_step_ == step_) return;
  torch::NoGradGuard no_grad;
  EmaScope averaged(*ema_);
  for (auto& modules : modules_) {
    for (NamedModule& module : modules) module.module->eval();
  }
  {
    AutocastScope autocast(options_.loop.precision == "bf16", options_.device.type());
    validation_ = recipe_.validate();
  }
  for (auto& modules : modules_) {
    for (NamedModule& module : modules) module.module->train();
  }
  validated_step_ = step_;
  if (validation_.empty()) return;
  write_metrics(validation_, "validation");
  log_info("step " + std::to_string(step_) + ": validation  " + describe_figures(validation_));
  if (validation_.front().second < best_) {
    best_ = validation_.front().second;
    if (recipe_.keeps_best()) io::save_safetensors(best_path(), weights());
  }
}

void Trainer::restore_best() {
  if (!recipe_.keeps_best() || !fs::exists(best_path())) return;
  torch::NoGradGuard no_grad;
  const io::TensorMap best = io::load_safetensors(best_path());
  for (const auto& [name, tensor] : weights()) tensor.copy_(best.at(name));
}

void Trainer::save() {
  if (!is_root() || saved_step_ == step_) return;
  Checkpoint checkpoint;
  checkpoint.step = step_;
  checkpoint.processes = group_->size();
  checkpoint.weights = weights();
  checkpoint.ema = ema_->state();
  for (const auto& optimizer : optimizers_) checkpoint.optimizer.merge(optimizer->state());
  checkpoint.recipe_state = recipe_.state();
  if (std::isfinite(best_)) checkpoint.recipe_state["trainer.best"] = best_;
  checkpoint.config = options_.config;
  save_checkpoint(options_.run_directory, checkpoint, options_.loop.keep_last);
  saved_step_ = step_;
}

Trainer::Halt Trainer::agree_on_halt() {
  const bool done = is_root() && (recipe_.finished() || time_is_up());
  std::vector<at::Tensor> votes = {
      at::tensor({interrupt_requested() ? 1 : 0, done ? 1 : 0}, at::kLong)};
  group_->all_reduce_sum(votes);
  return {votes[0][0].item<std::int64_t>() > 0, votes[0][1].item<std::int64_t>() > 0};
}

void Trainer::report_step(const Figures& figures, double rate, double seconds) {
  if (!is_root() || (step_ % options_.loop.log_every != 0 && step_ != options_.loop.steps)) return;
  Figures row = figures;
  row.emplace_back("learning_rate", rate);
  row.emplace_back("step_seconds", seconds);
  write_metrics(row, "training");
}

void Trainer::handle_interrupt() {
  save();
  group_->barrier();  // nobody leaves before rank 0 has saved
  distributed::throw_once(*group_,
                          Interrupted("stopped by a signal at step " + std::to_string(step_) +
                                      "; the checkpoint is saved, continue with --resume"));
}

Figures Trainer::run() {
  const LoopOptions& loop = options_.loop;
  for (auto& modules : modules_) {
    for (NamedModule& module : modules) module.module->train();
  }
  std::optional<Progress> progress;
  if (is_root()) progress.emplace("training", loop.steps, step_);
  bool done = agree_on_halt().done;
  while (step_ < loop.steps && !done) {
    const auto start = std::chrono::steady_clock::now();
    const double rate = learning_rate();
    const Figures figures = train_step();
    const double seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    if (progress) progress->update(step_, describe_figures(figures));
    report_step(figures, rate, seconds);
    if (step_ % loop.validate_every == 0) validate();
    if (step_ % loop.checkpoint_every == 0) save();
    const Halt halt = agree_on_halt();
    if (halt.interrupted) handle_interrupt();
    done = halt.done;
  }
  if (progress) progress->finish();
  validate();
  save();
  return validation_;
}

}  // namespace echopath::training
