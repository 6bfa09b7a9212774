// One step of the Trainer: forward and backward passes, the verdict on them, the update.
#include <algorithm>
#include <cmath>
#include <numbers>

#include "echopath/core/errors.hpp"
#include "echopath/core/logging.hpp"
#include "echopath/core/text.hpp"
#include "echopath/nn/checkpointing.hpp"
#include "echopath/nn/dropout.hpp"
#include "echopath/training/trainer.hpp"
#include "training/autocast.hpp"
#include "training/buffer_backup.hpp"
#include "training/checkpointer.hpp"
#include "training/figures.hpp"
#include "training/finite_probe.hpp"
#include "training/loop_state.hpp"
#include "training/parallel.hpp"

namespace echopath::training {

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

double Trainer::learning_rate() const {
  return options_.loop.learning_rate * learning_rate_factor(options_.loop, loop_->step);
}

/// The loss of one forward pass, with the draws that belong to it.
at::Tensor Trainer::forward(int phase, const Batch& batch, Figures& figures) {
  const nn::DropoutScope dropout(item_seeds(options_.loop.seed, phase, batch.at));
  const AutocastScope autocast = autocast_scope(options_.loop.precision, options_.device.type());
  const nn::CheckpointingScope checkpointing(options_.loop.activation_checkpointing);
  return recipe_.loss(phase, batch, figures);
}

/// Forward and backward passes of a step; the means of their figures over all processes, the loss
/// first.
Figures Trainer::accumulate_gradients(int phase, const std::vector<Batch>& batches) {
  const auto index = static_cast<std::size_t>(phase);
  for (auto& optimizer : optimizers_) optimizer->zero_grad();
  Figures means;
  for (const Batch& batch : batches) {
    const double share = static_cast<double>(batch.at.positions.size() * group_->size()) /
                         static_cast<double>(options_.loop.batch_size);
    Figures part;
    const at::Tensor loss = forward(phase, batch, part);
    reducers_[index]->backward(loss * (share * loop_->scaler.scale()), &batch == &batches.back());
    part.insert(part.begin(),
                {phase == 0 ? "loss" : modules_[index].front().name, loss.item<double>()});
    accumulate(part, share, means);
  }
  average(means, *group_);
  return means;
}

Verdict Trainer::judge(int phase, double loss, double norm, bool overflowed) const {
  if (!std::isfinite(loss)) return Verdict::kNotFinite;
  if (phase == 0 && loop_->guard.is_spike(loss)) return Verdict::kSpike;
  if (overflowed && !loop_->scaler.exhausted()) return Verdict::kOverflow;
  return overflowed || !std::isfinite(norm) ? Verdict::kNotFinite : Verdict::kGood;
}

Verdict Trainer::optimise_phase(int phase, const std::vector<Batch>& batches, Figures& figures) {
  const BufferBackup buffers(modules_);
  Optimizer& optimizer = *optimizers_[static_cast<std::size_t>(phase)];
  Figures means = accumulate_gradients(phase, batches);
  const bool overflowed = loop_->scaler.unscale(optimizer.gradients());
  const double norm = optimizer.clip_grad_norm(options_.loop.max_grad_norm);
  const double loss = means.front().second;
  if (phase == 0) means.emplace_back("grad_norm", norm);
  figures.insert(figures.end(), means.begin(), means.end());  // the loss of phase 0 stays first
  const Verdict verdict = judge(phase, loss, norm, overflowed);
  if (verdict == Verdict::kGood) {
    optimizer.step(learning_rate() * recipe_.learning_rate_factor(phase));
  } else {
    explain(verdict, phase, batches, loss);
    buffers.put_back();
  }
  return verdict;
}

/// Tells of a step that is skipped.
void Trainer::explain(Verdict verdict, int phase, const std::vector<Batch>& batches, double loss) {
  const StepGuard& guard = loop_->guard;
  std::string text = "step " + std::to_string(loop_->step + 1) + " skipped: ";
  if (verdict == Verdict::kNotFinite) {
    text += "loss or gradient is not finite (" + std::to_string(guard.not_finite_in_a_row() + 1) +
            " in a row, " + std::to_string(guard.not_finite() + 1) + " in all); " +
            where_not_finite(phase, batches);
  } else if (verdict == Verdict::kSpike) {
    text += "the loss " + short_number(loss) + " is more than " +
            short_number(options_.loop.loss_spike_factor) + " times the usual " +
            short_number(guard.median()) + " (" + std::to_string(guard.spikes() + 1) + " in all)";
  } else {
    text += "float16 gradients overflow with the loss times " +
            short_number(loop_->scaler.scale()) + ", which is halved";
  }
  if (!is_root()) return;
  verdict == Verdict::kOverflow ? log_info(text) : log_warning(text);
}

/// Where numbers stop being finite, on every process where they do. All processes look at once.
std::string Trainer::where_not_finite(int phase, const std::vector<Batch>& batches) {
  std::vector<NamedModule> modules;
  for (const auto& of_phase : modules_) {
    modules.insert(modules.end(), of_phase.begin(), of_phase.end());
  }
  const auto repeated = [&](const Batch& batch) {
    Figures ignored;
    return forward(phase, batch, ignored) * loop_->scaler.scale();
  };
  const std::vector<std::string> found = group_->all_gather_text(explain_not_finite(
      modules, batches, {[&](const MicroBatch& at) { return recipe_.load(at); }, repeated}));
  std::vector<std::string> parts;
  for (std::size_t rank = 0; rank < found.size(); ++rank) {
    if (found[rank].empty()) continue;
    parts.push_back((found.size() == 1 ? "" : "rank " + std::to_string(rank) + ": ") + found[rank]);
  }
  if (parts.empty()) return "repeated, the step is finite: the hardware may be at fault";
  return join(parts, "; ");
}

void Trainer::stop_where_nothing_learns() {
  const std::int64_t in_a_row = loop_->guard.not_finite_in_a_row();
  if (in_a_row < options_.loop.max_nonfinite_steps) return;
  // Skipped steps change nothing, so what was learned before them is worth keeping.
  const bool saved = !options_.run_directory.empty() && checkpointer_->save();
  std::string text = "training stopped at step " + std::to_string(loop_->step + 1) + ": " +
                     std::to_string(in_a_row) +
                     " steps in a row without a finite loss; lower training.learning_rate or look "
                     "at the data";
  if (saved) text += ". What was learned before is saved as step " + std::to_string(loop_->step);
  distributed::throw_once(*group_, DataError(text));
}

Figures Trainer::train_step(const std::vector<Batch>& batches) {
  Figures figures;
  Verdict verdict = Verdict::kGood;
  for (int phase = 0; phase < recipe_.phases(); ++phase) {
    if (!recipe_.active(phase, loop_->step)) continue;
    verdict = std::max(verdict, optimise_phase(phase, batches, figures));
  }
  loop_->guard.book(verdict, figures.front().second);
  if (loop_->scaler.enabled()) figures.emplace_back("loss_scale", loop_->scaler.scale());
  loop_->scaler.update(verdict == Verdict::kOverflow || verdict == Verdict::kNotFinite);
  if (loop_->guard.skipped() > 0) {
    figures.emplace_back("skipped_steps", static_cast<double>(loop_->guard.skipped()));
  }
  stop_where_nothing_learns();
  ++loop_->step;
  ema_->update(loop_->step);
  return figures;
}

}  // namespace echopath::training
