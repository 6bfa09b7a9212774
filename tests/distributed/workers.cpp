#include "distributed/workers.hpp"

#include <ATen/ATen.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <thread>
#include <vector>

#include "echopath/core/errors.hpp"
#include "echopath/distributed/process_group.hpp"

namespace echopath::distributed {
namespace {

constexpr std::chrono::seconds kTimeout(60);

/// Ends the process with exit code 1, naming what was wrong.
void expect(bool holds, const std::string& what) {
  if (!holds) {
    std::cerr << "expectation failed: " << what << std::endl;
    std::exit(1);
  }
}

std::unique_ptr<ProcessGroup> join(std::chrono::milliseconds timeout = kTimeout) {
  return make_process_group(environment_from_variables(), at::kCPU, timeout);
}

void averages() {
  const auto group = join();
  const float rank = static_cast<float>(group->rank());
  std::vector<at::Tensor> tensors = {at::full({2, 3}, 1.0F + rank),
                                     at::full({4}, 10.0 * rank, at::kDouble),
                                     at::arange(6, at::kFloat).reshape({2, 3}).t() * (1.0F + rank)};
  group->all_reduce_mean(tensors);
  const float mean = static_cast<float>(group->size() - 1) / 2.0F;
  expect(at::equal(tensors[0], at::full({2, 3}, 1.0F + mean)), "mean of a float tensor");
  expect(at::equal(tensors[1], at::full({4}, 10.0 * mean, at::kDouble)), "mean of a double tensor");
  const at::Tensor plain = at::arange(6, at::kFloat).reshape({2, 3}).t() * (1.0F + mean);
  expect(at::equal(tensors[2], plain), "mean of a transposed tensor");
  expect(group->sum(group->rank() + 1) == group->size() * (group->size() + 1) / 2, "sum");
  expect(group->any(group->rank() == 1), "any, where one says yes");
  expect(!group->any(false), "any, where none says yes");
}

/// Over the 25 MB of one bucket, with tensors on both sides of the seam.
void large_gradients() {
  const auto group = join();
  const float rank = static_cast<float>(group->rank());
  std::vector<at::Tensor> tensors;
  for (int i = 0; i < 4; ++i) {
    tensors.push_back(at::full({3'000'000}, static_cast<float>(i) + rank));
  }
  group->all_reduce_mean(tensors);
  const float mean = static_cast<float>(group->size() - 1) / 2.0F;
  for (int i = 0; i < 4; ++i) {
    const at::Tensor wanted = at::full({3'000'000}, static_cast<float>(i) + mean);
    expect(at::equal(tensors[i], wanted), "mean of large tensor " + std::to_string(i));
  }
}

void broadcasts() {
  const auto group = join();
  std::vector<at::Tensor> tensors = {at::full({3}, group->rank(), at::kLong),
                                     at::full({2}, 0.5F * group->rank())};
  group->broadcast(tensors, 1);
  expect(at::equal(tensors[0], at::ones({3}, at::kLong)), "broadcast of integers from rank 1");
  expect(at::equal(tensors[1], at::full({2}, 0.5F)), "broadcast of floats from rank 1");
}

void gathers() {
  const auto group = join();
  const auto tensors = group->all_gather(at::full({2}, group->rank(), at::kFloat));
  expect(static_cast<int>(tensors.size()) == group->size(), "one gathered tensor per rank");
  for (int i = 0; i < group->size(); ++i) {
    expect(at::equal(tensors[i], at::full({2}, i, at::kFloat)), "gathered tensor by rank");
  }
  const auto texts = group->all_gather_text(std::string(group->rank() * 3, 'x'));
  for (int i = 0; i < group->size(); ++i) {
    expect(texts[i] == std::string(i * 3, 'x'), "gathered text by rank, also an empty one");
  }
  group->barrier();
}

void equal_parameters() {
  const auto group = join();
  check_parameters_equal(*group, {{"weight", at::ones({4})}, {"bias", at::zeros({2})}});
}

void unequal_parameters() {
  const auto group = join();
  const float off = group->rank() == 1 ? 1e-7F : 0.0F;
  try {
    check_parameters_equal(*group, {{"weight", at::ones({4})}, {"bias", at::zeros({2}) + off}});
  } catch (const ToldByRoot&) {
    expect(!group->is_root(), "rank 0 tells what is wrong");
    return;
  } catch (const DeviceError& error) {
    const std::string text = error.what();
    expect(group->is_root(), "the others do not repeat it");
    expect(text.find("'bias'") != std::string::npos, "the parameter is named: " + text);
    expect(text.find("rank 1") != std::string::npos, "the rank is named: " + text);
    return;
  }
  expect(false, "unequal parameters are an error");
}

/// Two backward passes of which the last averages: the gradient is the mean over the processes of
/// the sums. Without `both_used` the second parameter gets none.
void average_gradients(bool both_used) {
  const auto group = join();
  const float rank = static_cast<float>(group->rank());
  at::Tensor first = at::full({3}, 2.0F).requires_grad_();
  at::Tensor second = at::full({400'000}, 1.0F).requires_grad_();  // a bucket of its own
  const auto reducer = group->make_gradient_reducer({first, second});
  for (int step = 0; step < 3; ++step) {
    first.mutable_grad().reset();
    second.mutable_grad().reset();
    const auto loss = [&](float factor) {
      const at::Tensor used = (first * (rank + 1.0F)).sum() * factor;
      return both_used ? used + (second * rank).sum() * factor : used;
    };
    reducer->backward(loss(1.0F), false);
    expect(at::equal(first.grad(), at::full({3}, rank + 1.0F)), "nothing is sent before the last");
    reducer->backward(loss(10.0F), true);
    const float mean = static_cast<float>(group->size() - 1) / 2.0F;
    expect(at::allclose(first.grad(), at::full({3}, 11.0F * (1.0F + mean))), "first gradient");
    expect(at::allclose(second.grad(), at::full({400'000}, 11.0F * mean)), "second gradient");
  }
}

void reduces_gradients() {
  average_gradients(true);
}

void misses_a_gradient() {
  try {
    average_gradients(false);
  } catch (const DeviceError& error) {
    expect(std::string(error.what()).find("averaging gradients") != std::string::npos,
           error.what());
    return;
  }
  expect(false, "a parameter without a gradient is an error");
}

/// Rank 2 of 3 fails; rank 0 tells so and the others are silent.
void together() {
  Rendezvous rendezvous(environment_from_variables(), {kTimeout, kTimeout});
  const int rank = rendezvous.environment().rank;
  const auto texts = rendezvous.exchange(std::string(static_cast<std::size_t>(rank) * 2, 'y'));
  expect(texts[2] == "yyyy" && texts[0].empty(), "texts by rank");
  rendezvous.together([] {});
  try {
    rendezvous.together([&] {
      if (rank == 2) throw DataError("a broken file");
    });
  } catch (const ToldByRoot& error) {
    expect(rank != 0 && error.exit_code() == ExitCode::kData, "others leave with the same code");
    return;
  } catch (const Error& error) {
    expect(rank == 0 && std::string(error.what()) == "rank 2: a broken file", error.what());
    expect(error.exit_code() == ExitCode::kData, "the code of the error");
    return;
  }
  expect(false, "one failure is a failure of all");
}

/// Texts of more bytes than the store takes under one key, the parts of each unlike each other.
void exchanges_long_texts() {
  Rendezvous rendezvous(environment_from_variables(), {kTimeout, kTimeout});
  const auto text_of = [](int rank) {
    std::string text;
    for (int line = 0; text.size() < 9'000'000; ++line) {
      text += std::to_string(rank) + ":" + std::to_string(line) + "\n";
    }
    return text;
  };
  const auto texts = rendezvous.exchange(text_of(rendezvous.environment().rank));
  for (int rank = 0; rank < 2; ++rank) {
    expect(texts.at(static_cast<std::size_t>(rank)) == text_of(rank),
           "the long text of rank " + std::to_string(rank));
  }
  const auto short_ones = rendezvous.exchange(rendezvous.environment().is_root() ? "" : "short");
  expect(short_ones.at(0).empty() && short_ones.at(1) == "short", "short texts after it");
}

/// Rank 1 never comes.
void missing_process() {
  if (environment_from_variables().rank == 1) return;
  try {
    Rendezvous rendezvous(environment_from_variables(), {std::chrono::seconds(2), kTimeout});
  } catch (const DeviceError& error) {
    const std::string text = error.what();
    expect(text.find("rank 1 of 2 did not come to 127.0.0.1:") != std::string::npos, text);
    return;
  }
  expect(false, "a missing process is an error");
}

/// Rank 1 leaves; the others' collective call must end in a DeviceError with the address.
void lost_process() {
  const auto group = join(std::chrono::seconds(3));
  std::vector<at::Tensor> tensors = {at::ones({2})};
  group->all_reduce_mean(tensors);  // both are connected
  if (group->rank() == 1) {
    _exit(0);
  }
  try {
    group->all_reduce_mean(tensors);
  } catch (const DeviceError& error) {
    const std::string address = environment_from_variables().address();
    expect(std::string(error.what()).find(address) != std::string::npos,
           std::string("the address is named: ") + error.what());
    return;
  }
  expect(false, "a lost process is an error");
}

/// Prints its place; nothing of the group is needed.
void says_rank() {
  const ProcessEnvironment environment = environment_from_variables();
  std::cout << "result of " << environment.rank << " of " << environment.world_size << std::endl;
  std::cerr << "note of " << environment.rank << std::endl;
}

void sleep_long() {
  std::this_thread::sleep_for(std::chrono::seconds(60));
}

/// Rank 1 fails at once; the others would sleep for a minute.
void fails_on_one() {
  if (environment_from_variables().rank == 1) {
    throw DataError("a broken file");
  }
  sleep_long();
}

void killed_on_one() {
  if (environment_from_variables().rank == 1) {
    raise(SIGKILL);
  }
  sleep_long();
}

/// Ignores the request to stop, so that only SIGKILL ends it.
void deaf() {
  signal(SIGTERM, SIG_IGN);
  fails_on_one();
}

/// Rank 0 has the launcher told to stop, and does not listen when it is told in turn.
void stops_its_launcher() {
  signal(SIGTERM, SIG_IGN);
  if (environment_from_variables().is_root()) kill(getppid(), SIGTERM);
  sleep_long();
}

}  // namespace

int run_worker(const std::string& name) {
  const std::map<std::string, std::function<void()>> workers = {
      {"averages", averages},
      {"large_gradients", large_gradients},
      {"broadcasts", broadcasts},
      {"gathers", gathers},
      {"equal_parameters", equal_parameters},
      {"unequal_parameters", unequal_parameters},
      {"lost_process", lost_process},
      {"reduces_gradients", reduces_gradients},
      {"misses_a_gradient", misses_a_gradient},
      {"together", together},
      {"exchanges_long_texts", exchanges_long_texts},
      {"missing_process", missing_process},
      {"says_rank", says_rank},
      {"fails_on_one", fails_on_one},
      {"killed_on_one", killed_on_one},
      {"deaf", deaf},
      {"stops_its_launcher", stops_its_launcher},
      {"sleeps", sleep_long},
  };
  try {
    workers.at(name)();
    return 0;
  } catch (const Error& error) {
    std::cerr << error.what() << std::endl;
    return static_cast<int>(error.exit_code());
  }
}

}  // namespace echopath::distributed
