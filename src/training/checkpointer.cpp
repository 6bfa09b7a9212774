#include "training/checkpointer.hpp"

#include "echopath/core/build_info.hpp"
#include "echopath/core/errors.hpp"
#include "echopath/core/logging.hpp"
#include "echopath/core/text.hpp"
#include "training/generators.hpp"
#include "training/parallel.hpp"

namespace echopath::training {

io::TensorMap named_tensors(const std::vector<std::vector<NamedModule>>& modules) {
  io::TensorMap tensors;
  for (const auto& of_phase : modules) {
    for (const NamedModule& module : of_phase) {
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

Checkpointer::Checkpointer(const TrainerOptions& options, RunParts parts)
    : options_(options),
      parts_(parts),
      writer_("the checkpoint", std::chrono::duration<double>(options.loop.save_retry_seconds)) {}

Checkpoint Checkpointer::gather() const {
  Checkpoint checkpoint;
  checkpoint.step = parts_.loop.step;
  checkpoint.best_step = parts_.loop.best_step;
  checkpoint.processes = parts_.group.size();
  checkpoint.program = version();
  checkpoint.data = options_.data;
  checkpoint.weights = named_tensors(parts_.modules);
  checkpoint.ema = parts_.ema.state();
  for (const auto& optimizer : parts_.optimizers) checkpoint.optimizer.merge(optimizer->state());
  checkpoint.loop = parts_.loop.to_json();
  checkpoint.recipe_state = parts_.recipe.state();
  checkpoint.config = options_.config;
  return checkpoint;
}

bool Checkpointer::save() {
  const std::int64_t step = parts_.loop.step;
  if (saved_step_ == step) return true;
  io::TensorMap generators = gather_generators(parts_.group, options_.device);
  const bool saved = parts_.group.is_root() && writer_.attempt([&] {
    Checkpoint checkpoint = gather();
    checkpoint.generators = std::move(generators);
    save_checkpoint(options_.run_directory, checkpoint,
                    {options_.loop.keep_last, options_.loop.keep_every});
  });
  if (!parts_.group.any(saved)) return false;
  saved_step_ = step;
  return true;
}

void Checkpointer::take_weights(const io::TensorMap& weights, const std::string& source) {
  torch::NoGradGuard no_grad;
  for (const auto& [name, tensor] : named_tensors(parts_.modules)) {
    const auto found = weights.find(name);
    if (found == weights.end() || found->second.sizes() != tensor.sizes()) {
      throw DataError(source + ": the checkpoint's weights lack '" + name +
                      "' or hold it with another shape; the config describes another network");
    }
    tensor.copy_(found->second);
  }
}

void Checkpointer::resume() {
  const std::string source = options_.run_directory.string();
  remove_leftovers(options_.run_directory);
  std::optional<Checkpoint> checkpoint = load_newest_checkpoint(options_.run_directory);
  if (!checkpoint) {
    log_info(source + " holds no checkpoint; starting at step 0");
    return;
  }
  if (checkpoint->data != options_.data) {
    throw DataError("--resume: the data are not those that the run in '" + source +
                    "' was trained on (" + one_line(checkpoint->data) + "; now " +
                    one_line(options_.data) +
                    "); give it the same, or start a new run from its model with --init-from");
  }
  take_weights(checkpoint->weights, source);
  parts_.ema.load_state(checkpoint->ema, source);
  for (const auto& optimizer : parts_.optimizers) {
    optimizer->load_state(checkpoint->optimizer, source);
  }
  parts_.loop.from_json(checkpoint->loop);
  parts_.recipe.load_state(checkpoint->recipe_state);
  generators_ = std::move(checkpoint->generators);
  saved_step_ = checkpoint->step;
  forget_a_lost_best();
  log_info("resumed " + source + " at step " + std::to_string(checkpoint->step));
  if (checkpoint->processes != parts_.group.size()) {
    log_info("it was saved by " + std::to_string(checkpoint->processes) +
             " processes and goes on with " + std::to_string(parts_.group.size()) +
             ": sums are taken in another order, so that the last bits will differ");
  }
  if (checkpoint->program != version()) {
    log_info("it was saved by version " + checkpoint->program + " and goes on with " + version() +
             ": the last bits may differ");
  }
}

void Checkpointer::forget_a_lost_best() {
  LoopState& loop = parts_.loop;
  if (loop.best_step < 0 || loop.best_step == saved_step_) return;
  try {
    load_checkpoint(options_.run_directory, loop.best_step);
  } catch (const DataError& error) {
    log_warning("the best validation so far is forgotten: " + std::string(error.what()));
    loop.best_step = -1;
    loop.best = std::numeric_limits<double>::infinity();
  }
}

void Checkpointer::share() {
  distributed::ProcessGroup& group = parts_.group;
  if (group.size() > 1) {
    const config::Json own = {{"saved_step", saved_step_},
                              {"loop", parts_.loop.to_json()},
                              {"recipe", parts_.recipe.state()}};
    const config::Json root = config::Json::parse(group.all_gather_text(own.dump()).front());
    saved_step_ = root.at("saved_step").get<std::int64_t>();
    if (saved_step_ >= 0) {
      parts_.loop.from_json(root.at("loop"));
      if (!group.is_root()) {
        parts_.recipe.load_state(root.at("recipe").get<std::map<std::string, double>>());
      }
      broadcast_from_root(named_tensors(parts_.modules), group);
      broadcast_from_root(parts_.ema.state(), group);
      for (const auto& optimizer : parts_.optimizers) {
        broadcast_from_root(optimizer->state(), group);
      }
    }
  }
  if (saved_step_ >= 0) scatter_generators(generators_, group, options_.device);
  generators_.clear();
}

std::int64_t Checkpointer::restore_best() {
  torch::NoGradGuard no_grad;
  const std::int64_t best = parts_.loop.best_step;
  std::int64_t restored = parts_.loop.step;
  if (best >= 0) {
    try {
      const Checkpoint checkpoint = load_checkpoint(options_.run_directory, best);
      take_weights(checkpoint.weights, options_.run_directory.string());
      parts_.ema.load_state(checkpoint.ema, options_.run_directory.string());
      restored = best;
    } catch (const DataError& error) {
      log_warning(
          "the weights of the best validation are lost, those of the last step are taken: " +
          std::string(error.what()));
    }
  }
  parts_.ema.swap();
  return restored;
}

}  // namespace echopath::training
