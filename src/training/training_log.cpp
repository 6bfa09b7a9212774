#include "training/training_log.hpp"

#include <c10/core/CachingDeviceAllocator.h>

#include <algorithm>
#include <cmath>

#include "echopath/core/files.hpp"
#include "echopath/core/memory_use.hpp"
#include "echopath/core/text.hpp"
#include "training/figures.hpp"

namespace echopath::training {
namespace {

/// Drops the lines of metrics.jsonl that a resumed run will write again. Where they are the last
/// ones, as they are unless a line is damaged, this takes no space on a disk that may be full.
void truncate_metrics(const fs::path& path, std::int64_t step) {
  if (!fs::exists(path)) return;
  const std::string all = read_file(path);
  std::string kept;
  for (const std::string& line : split(all, '\n')) {
    const config::Json row = config::Json::parse(line, nullptr, false);
    if (row.is_object() && row.value("step", std::int64_t{0}) <= step) kept += line + "\n";
  }
  if (kept == all) return;
  if (all.starts_with(kept)) {
    fs::resize_file(path, kept.size());
  } else {
    write_file(path, kept);
  }
}

config::Json json_of(const Figures& figures) {
  config::Json json = config::Json::object();
  for (const auto& [name, value] : figures) json[name] = value;
  return json;
}

/// Figures under the heading that TensorBoard folds them under.
Figures under(const std::string& heading, const Figures& figures) {
  Figures named;
  for (const auto& [name, value] : figures) named.emplace_back(heading + "/" + name, value);
  return named;
}

/// JSON as a block of code in Markdown.
std::string code_block(const config::Json& json) {
  std::string text;
  for (const std::string& line : split(json.dump(2), '\n')) text += "    " + line + "\n";
  return text;
}

std::chrono::duration<double> patience(const LoopOptions& loop) {
  return std::chrono::duration<double>(loop.save_retry_seconds);
}

}  // namespace

double device_bytes(at::Device device) {
  if (device.is_cpu()) return 0.0;
  const auto aggregate = static_cast<std::size_t>(c10::CachingAllocator::StatType::AGGREGATE);
  return static_cast<double>(at::getDeviceAllocator(device.type())
                                 ->getDeviceStats(std::max<at::DeviceIndex>(0, device.index()))
                                 .allocated_bytes[aggregate]
                                 .current);
}

TrainingLog::TrainingLog(const Options& options)
    : options_(options),
      progress_("training", options.loop.steps, options.resumed_at.value_or(0)),
      metrics_writer_("metrics.jsonl", patience(options.loop)),
      event_writer_("TensorBoard's event file", patience(options.loop)),
      logged_step_(options.resumed_at.value_or(0)) {
  if (options_.resumed_at) {
    metrics_writer_.attempt([this] {
      truncate_metrics(options_.run_directory / "metrics.jsonl", *options_.resumed_at);
    });
  }
  write_event([this](io::EventLog& log) {
    log.add_text(logged_step_, "config", code_block(options_.config));
  });
}

void TrainingLog::write_row(std::int64_t step, const char* kind, const config::Json& values) {
  config::Json row = {{"step", step}, {"kind", kind}};
  row.update(values);
  metrics_writer_.attempt(
      [&] { LineAppender(options_.run_directory / "metrics.jsonl").append(row.dump()); });
}

void TrainingLog::write_event(const std::function<void(io::EventLog&)>& write) {
  event_writer_.attempt([&] {
    if (!events_) {
      std::optional<std::int64_t> first_step;
      if (options_.resumed_at) first_step = *options_.resumed_at + 1;
      events_.emplace(options_.run_directory, first_step);
    }
    write(*events_);
  });
}

Figures TrainingLog::resources(std::int64_t steps) const {
  const auto count = static_cast<double>(steps);
  const double batch = static_cast<double>(options_.loop.batch_size);
  Figures figures = {{"step_seconds", since_logged_.seconds / count},
                     {"data_wait_seconds", since_logged_.waited / count},
                     {"data_wait_share", since_logged_.waited / since_logged_.seconds},
                     {"samples_per_second", batch * count / since_logged_.seconds},
                     {"resident_bytes", resident_bytes()}};
  if (!options_.device.is_cpu()) {
    figures.emplace_back("device_bytes", device_bytes(options_.device));
  }
  return figures;
}

void TrainingLog::step(std::int64_t step, const Figures& figures, double learning_rate,
                       const StepTime& time) {
  since_logged_.seconds += time.seconds;
  since_logged_.waited += time.waited;
  const double speed =
      static_cast<double>((step - logged_step_) * options_.loop.batch_size) / since_logged_.seconds;
  const double memory = options_.device.is_cpu() ? resident_bytes() : device_bytes(options_.device);
  const double loss = figures.empty() ? std::nan("") : figures.front().second;
  progress_.update(step, "loss " + short_number(loss) + ", lr " + short_number(learning_rate) +
                             ", " + short_number(speed) + " samples/s, " + human_bytes(memory));
  if (step % options_.loop.log_every != 0 && step != options_.loop.steps) return;
  Figures trained = figures;
  trained.emplace_back("learning_rate", learning_rate);
  const Figures used = resources(step - logged_step_);
  logged_step_ = step;
  since_logged_ = {};
  config::Json row = json_of(trained);
  row.update(json_of(used));
  write_row(step, "training", row);
  write_event([&](io::EventLog& log) {
    Figures all = under("training", trained);
    const Figures below = under("resources", used);
    all.insert(all.end(), below.begin(), below.end());
    log.add_scalars(step, all);
  });
}

void TrainingLog::validation(std::int64_t step, const Figures& figures) {
  write_row(step, "validation", json_of(figures));
  write_event([&](io::EventLog& log) { log.add_scalars(step, under("validation", figures)); });
}

void TrainingLog::add_losses_by_level(const std::vector<LossAtLevel>& losses) {
  for (const LossAtLevel& item : losses) {
    if (!std::isfinite(item.loss)) continue;
    const double place = std::floor(item.level * static_cast<double>(kLevels));
    Bin& bin =
        bins_[static_cast<std::size_t>(std::clamp(place, 0.0, static_cast<double>(kLevels - 1)))];
    bin.count += 1.0;
    bin.sum += item.loss;
    bin.sum_of_squares += item.loss * item.loss;
  }
}

void TrainingLog::write_losses_by_level(std::int64_t step) {
  io::Histogram histogram;
  histogram.max = 1.0;
  config::Json limits = config::Json::array(), losses = limits, counts = limits;
  for (std::size_t i = 0; i < kLevels; ++i) {
    const Bin& bin = bins_[i];
    histogram.count += bin.count;
    histogram.sum += bin.sum;
    histogram.sum_of_squares += bin.sum_of_squares;
    histogram.limits.push_back(static_cast<double>(i + 1) / static_cast<double>(kLevels));
    histogram.heights.push_back(bin.count > 0 ? bin.sum / bin.count : 0.0);
    limits.push_back(histogram.limits.back());
    losses.push_back(bin.count > 0 ? config::Json(histogram.heights.back()) : config::Json());
    counts.push_back(bin.count);
  }
  if (histogram.count == 0) return;
  bins_ = {};
  write_row(step, "loss_by_noise_level",
            {{"levels", limits}, {"losses", losses}, {"items", counts}});
  write_event(
      [&](io::EventLog& log) { log.add_histogram(step, "loss_by_noise_level", histogram); });
}

void TrainingLog::samples(std::int64_t step, const std::vector<NamedFrames>& samples) {
  for (const NamedFrames& sample : samples) {
    write_event(
        [&](io::EventLog& log) { log.add_frames(step, "samples/" + sample.name, sample.frames); });
  }
}

void TrainingLog::finish() {
  progress_.finish();
}

}  // namespace echopath::training
