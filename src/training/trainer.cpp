#include "echopath/training/trainer.hpp"

#include <cmath>
#include <numbers>
#include <numeric>

#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "echopath/core/interrupt.hpp"
#include "echopath/core/logging.hpp"
#include "echopath/core/progress.hpp"
#include "echopath/core/text.hpp"
#include "echopath/training/checkpoint.hpp"
#include "training/autocast.hpp"
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
    : recipe_(recipe), options_(std::move(options)), started_(std::chrono::steady_clock::now()) {
  const LoopOptions& loop = options_.loop;
  const AdamOptions adam{loop.adam_beta1, loop.adam_beta2, loop.adam_epsilon, loop.weight_decay,
                         loop.optimizer == "adamw"};
  for (int phase = 0; phase < recipe_.phases(); ++phase) {
    modules_.push_back(recipe_.modules(phase));
    optimizers_.push_back(std::make_unique<Adam>(named_parameters(modules_.back()), adam));
  }
  ema_ = std::make_unique<Ema>(optimizers_.front()->parameters(), loop.ema_decay);

  const fs::path& run = options_.run_directory;
  require_run_directory(run, options_.resume);
  if (options_.resume) resume_from_checkpoint();
  fs::create_directories(run);
  add_log_file(run / "log.txt");
  write_file(run / "config.json", options_.config.dump(2) + "\n");
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
  const std::int64_t micro = loop.micro_batch_size > 0 ? loop.micro_batch_size : loop.batch_size;
  Adam& optimizer = *optimizers_[static_cast<std::size_t>(phase)];
  for (auto& other : optimizers_) other->zero_grad();
  double total = 0.0;
  for (std::int64_t first = 0; first < loop.batch_size; first += micro) {
    MicroBatch batch{step_, {}};
    batch.positions.resize(static_cast<std::size_t>(std::min(micro, loop.batch_size - first)));
    std::iota(batch.positions.begin(), batch.positions.end(), first);
    const double share =
        static_cast<double>(batch.positions.size()) / static_cast<double>(loop.batch_size);
    Figures part;
    at::Tensor loss;
    {
      AutocastScope autocast(loop.precision == "bf16", options_.device.type());
      loss = recipe_.loss(phase, batch, part);
    }
    (loss * share).backward();
    total += loss.item<double>() * share;
    if (first == 0) {
      figures.insert(figures.end(), part.begin(), part.end());
    }
  }
  const double norm = optimizer.clip_grad_norm(loop.max_grad_norm);
  figures.insert(
      figures.begin(),
      {phase == 0 ? "loss" : modules_[static_cast<std::size_t>(phase)].front().name, total});
  if (phase == 0) figures.emplace_back("grad_norm", norm);
  if (!std::isfinite(total) || !std::isfinite(norm)) return false;
  optimizer.step(learning_rate() * recipe_.learning_rate_factor(phase));
  return true;
}

Figures Trainer::train_step() {
  Figures figures;
  bool finite = true;
  for (int phase = 0; phase < recipe_.phases(); ++phase) {
    if (!recipe_.active(phase, step_)) continue;
    finite = optimise_phase(phase, figures) && finite;
  }
  if (finite) {
    nonfinite_in_a_row_ = 0;
  } else {
    ++nonfinite_in_a_row_;
    log_warning("step " + std::to_string(step_ + 1) +
                ": loss or gradient is not finite; step skipped (" +
                std::to_string(nonfinite_in_a_row_) + " in a row)");
    if (nonfinite_in_a_row_ >= options_.loop.max_nonfinite_steps) {
      throw DataError("training stopped at step " + std::to_string(step_ + 1) + ": " +
                      std::to_string(nonfinite_in_a_row_) +
                      " steps in a row without a finite loss; lower training.learning_rate or look "
                      "at the data. The last good state is in " +
                      (options_.run_directory / "checkpoints").string());
    }
  }
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
  if (validated_step_ == step_) return;
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
  if (saved_step_ == step_) return;
  Checkpoint checkpoint;
  checkpoint.step = step_;
  checkpoint.weights = weights();
  checkpoint.ema = ema_->state();
  for (const auto& optimizer : optimizers_) checkpoint.optimizer.merge(optimizer->state());
  checkpoint.recipe_state = recipe_.state();
  if (std::isfinite(best_)) checkpoint.recipe_state["trainer.best"] = best_;
  checkpoint.config = options_.config;
  save_checkpoint(options_.run_directory, checkpoint, options_.loop.keep_last);
  saved_step_ = step_;
}

Figures Trainer::run() {
  const LoopOptions& loop = options_.loop;
  for (auto& modules : modules_) {
    for (NamedModule& module : modules) module.module->train();
  }
  Progress progress("training", loop.steps, step_);
  while (step_ < loop.steps && !recipe_.finished() && !time_is_up()) {
    const auto start = std::chrono::steady_clock::now();
    const double rate = learning_rate();
    Figures figures = train_step();
    const double seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    progress.update(step_, describe_figures(figures));
    if (step_ % loop.log_every == 0 || step_ == loop.steps) {
      figures.emplace_back("learning_rate", rate);
      figures.emplace_back("step_seconds", seconds);
      write_metrics(figures, "training");
    }
    if (step_ % loop.validate_every == 0) validate();
    if (step_ % loop.checkpoint_every == 0) save();
    if (interrupt_requested()) {
      save();
      throw Interrupted("stopped by a signal at step " + std::to_string(step_) +
                        "; the checkpoint is saved, continue with --resume");
    }
  }
  progress.finish();
  validate();
  save();
  return validation_;
}

}  // namespace echopath::training
