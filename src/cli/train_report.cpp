#include "cli/train_report.hpp"

#include <cstdio>
#include <iostream>

#include "echopath/core/text.hpp"

namespace echopath::cli {
namespace {

/// Steps that an epoch takes; a step may reach into the next one.
double steps_per_epoch(const training::TrainReport& report) {
  return static_cast<double>(report.training_items) /
         report.config.at("training").at("batch_size").get<double>();
}

void add_dry_run(const training::TrainReport& report, config::Json& json) {
  config::Json shapes = config::Json::object();
  for (const auto& [name, sizes] : report.shapes) shapes[name] = sizes;
  json["shapes"] = shapes;
  if (report.training_items > 0) {
    json["training_items"] = report.training_items;
    json["steps_per_epoch"] = steps_per_epoch(report);
  }
  if (report.timing) {
    json["timing"] = {{"steps", report.timing->steps},
                      {"seconds_per_step", report.timing->seconds_per_step},
                      {"data_wait_share", report.timing->data_wait_share},
                      {"hours_to_go", report.timing->hours_to_go}};
  }
  json["cache_bytes"] = report.cache_bytes;
  json["missing"] = report.missing;
}

/// "[16, 4, 14, 14]"
std::string shape_text(const std::vector<std::int64_t>& sizes) {
  std::vector<std::string> texts;
  for (const std::int64_t size : sizes) texts.push_back(std::to_string(size));
  return "[" + join(texts, ", ") + "]";
}

/// Three digits.
std::string short_text(double number) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.3g", number);
  return text;
}

}  // namespace

config::Json to_json(const training::TrainReport& report, bool dry_run) {
  config::Json metrics = config::Json::object();
  for (const auto& [name, value] : report.metrics) metrics[name] = value;
  config::Json json = {{"dry_run", dry_run},
                       {"parameters", report.parameters},
                       {"memory_bytes", report.memory_bytes},
                       {"steps", report.steps}};
  if (dry_run) {
    add_dry_run(report, json);
  } else {
    json["model_directory"] = report.model_directory.string();
    json["metrics"] = metrics;
  }
  json["config"] = report.config;
  return json;
}

void print_dry_run(const training::TrainReport& report) {
  std::cout << report.config.dump(2) << "\n\nshapes of a forward pass:\n";
  for (const auto& [name, sizes] : report.shapes) {
    std::cout << "  " << name << ' ' << shape_text(sizes) << '\n';
  }
  std::cout << "parameters  " << report.parameters << '\n'
            << "memory      about " << human_bytes(report.memory_bytes);
  if (report.cache_bytes > 0) {
    std::cout << ", and up to " << human_bytes(report.cache_bytes)
              << " of the machine's for decoded videos";
  }
  std::cout << "\nsteps       " << report.steps << '\n';
  if (report.training_items > 0) {
    std::cout << "epoch       " << report.training_items << " items, "
              << short_text(steps_per_epoch(report)) << " steps\n";
  } else {
    std::cout << "epoch       as many steps as the data have items, over "
              << report.config.at("training").at("batch_size") << "; the data are not here\n";
  }
  if (report.timing) {
    std::cout << "a step      " << short_text(report.timing->seconds_per_step) << " s ("
              << report.timing->steps << " timed), of which "
              << short_text(100.0 * report.timing->data_wait_share) << " % waiting for data\n"
              << "to go       " << short_text(report.timing->hours_to_go)
              << " h, without validations, samples and checkpoints\n";
  }
  if (report.missing.empty()) {
    std::cout << "nothing is missing for a real run\n";
    return;
  }
  std::cout << "missing before a real run could start:\n";
  for (const std::string& line : report.missing) std::cout << "  " << line << '\n';
}

void print_done(const training::TrainReport& report) {
  std::cout << "trained " << report.steps << " steps; model in " << report.model_directory.string()
            << '\n';
  for (const auto& [name, value] : report.metrics) {
    std::cout << "  " << name << " = " << value << '\n';
  }
}

}  // namespace echopath::cli
