#include "training/workers.hpp"

#include <torch/torch.h>

#include <iostream>

#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "echopath/core/interrupt.hpp"
#include "echopath/core/logging.hpp"
#include "echopath/distributed/process_group.hpp"
#include "echopath/io/safetensors.hpp"
#include "echopath/training/train.hpp"
#include "echopath/training/trainer.hpp"
#include "training/jobs.hpp"

namespace echopath::training {
namespace {

fs::path toy_config(const std::string& network) {
  return fs::path(ECHOPATH_SOURCE_DIR) / "tests/fixtures/toy" / (network + ".json");
}

/// One network of the test of gradients.
struct GradientRun {
  std::string network;
  fs::path folder;
  std::string micro_batch_size;
  std::shared_ptr<distributed::ProcessGroup> group;

  void operator()(at::ScalarType precision, std::int64_t steps, const fs::path& out) const {
    const std::unique_ptr<Job> job = make_job(network);
    config::apply(config::read_json(toy_config(network).string()), job->visit(), network);
    std::vector<std::string> overrides = {"training.batch_size=4",
                                          "training.max_grad_norm=0",
                                          "training.validate_every=1000",
                                          "training.checkpoint_every=1000",
                                          "training.steps=" + std::to_string(steps),
                                          "training.micro_batch_size=" + micro_batch_size};
    if (network == "vae") {
      overrides.push_back("data.dataset=" + (folder / "videos").string());
      overrides.emplace_back("loss.adversarial_weight=0");
      overrides.emplace_back("loss.kl_weight=0.01");
    } else {
      overrides.push_back("data.latents=" + (folder / "latents").string());
      overrides.emplace_back("diffusion.class_dropout=0.5");
      overrides.emplace_back("diffusion.noise_offset=0.1");
      if (network == "lidm") overrides.emplace_back("model.dropout=0.1");
      if (network == "lvdm") {
        overrides.insert(overrides.end(),
                         {"context_frames=3", "reference_noise=0.1", "reference_dropout=0.5",
                          "diffusion.timestep_sampling=logit_normal"});
      }
    }
    config::apply_overrides(overrides, job->visit());
    torch::manual_seed(3);
    const std::unique_ptr<Recipe> recipe = job->make_recipe(at::kCPU);
    const std::vector<NamedModule> modules = recipe->modules(0);
    for (const NamedModule& module : modules) module.module->to(precision);
    TrainerOptions options;
    options.loop = job->loop();
    options.run_directory = out;
    options.group = group;
    Trainer trainer(*recipe, options);
    trainer.run();
    if (steps > 1 || !group->is_root()) return;
    io::TensorMap gradients;
    for (const NamedParameter& parameter : named_parameters(modules)) {
      TORCH_CHECK(parameter.tensor.grad().defined(), parameter.name, " has no gradient");
      gradients[parameter.name] = parameter.tensor.grad().clone();
    }
    io::save_safetensors(out.string() + ".safetensors", gradients);
  }
};

void gradients(const std::vector<std::string>& arguments) {
  const fs::path folder = arguments.at(0);
  distributed::Rendezvous rendezvous(distributed::environment_from_variables());
  const std::shared_ptr<distributed::ProcessGroup> group =
      distributed::make_process_group(rendezvous, at::kCPU);
  const fs::path out = folder / std::to_string(group->size());
  for (const char* network : {"lidm", "lvdm", "vae"}) {
    const GradientRun run{network, folder, arguments.at(1), group};
    run(at::kFloat, 1, out / (std::string(network) + ".float32"));
    run(at::kDouble, 1, out / (std::string(network) + ".float64"));
    run(at::kFloat, 20, out / network);
  }
  rendezvous.exchange("done");
}

void train(const std::vector<std::string>& arguments) {
  TrainRequest request;
  request.network = arguments.at(0);
  request.config = toy_config(request.network);
  request.out = arguments.at(1);
  request.device = "cpu";
  request.overrides = {(request.network == "vae" ? "data.dataset=" : "data.latents=") +
                       arguments.at(2)};
  for (std::size_t i = 3; i < arguments.size(); ++i) {
    if (arguments[i] == "--resume") {
      request.resume = true;
    } else {
      request.overrides.push_back(arguments[i]);
    }
  }
  run_training(request);
}

}  // namespace

int run_worker(const std::vector<std::string>& arguments) {
  initialise_logging("info", false);
  install_interrupt_handlers();
  torch::set_num_threads(1);
  const std::vector<std::string> rest(arguments.begin() + 1, arguments.end());
  try {
    arguments.front() == "gradients" ? gradients(rest) : train(rest);
    return 0;
  } catch (const Error& error) {
    if (*error.what() != '\0') std::cerr << "error: " << error.what() << std::endl;
    return static_cast<int>(error.exit_code());
  } catch (const std::exception& error) {
    std::cerr << "internal error: " << error.what() << std::endl;
    return static_cast<int>(ExitCode::kInternal);
  }
}

}  // namespace echopath::training
