#include "echopath/evaluation/feature_table.hpp"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <set>
#include <system_error>

#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "echopath/io/safetensors.hpp"
#include "evaluation/probability_rows.hpp"

namespace echopath::evaluation {
namespace {

/// Rows that are looked at or copied at once.
constexpr std::int64_t kBlock = 8192;

/// What the rows of a table are.
enum class RowKind { kFeatures, kProbabilities, kLogProbabilities };

/// Copies chosen rows of every video to a table of their own.
FeatureTable gather(const FeatureTable& table,
                    const std::vector<std::pair<VideoRows, at::Tensor>>& chosen) {
  FeatureTable result;
  result.skipped = table.skipped;
  std::int64_t total = 0;
  for (const auto& [video, rows] : chosen) {
    result.videos.push_back(video);
    result.videos.back().begin = total;
    total += rows.size(0);
    result.videos.back().end = total;
  }
  const auto copy = [&](const at::Tensor& from) {
    if (!from.defined()) return at::Tensor();
    const at::Tensor to = spooled({total, from.size(1)}, from.scalar_type());
    for (std::size_t i = 0; i < chosen.size(); ++i) {
      to.slice(0, result.videos[i].begin, result.videos[i].end)
          .copy_(from.index_select(0, chosen[i].second));
    }
    return to;
  };
  result.features = copy(table.features);
  result.log_probabilities = copy(table.log_probabilities);
  return result;
}

/// Which rows are not what they must be, [n].
at::Tensor bad_rows(const at::Tensor& rows, RowKind kind) {
  if (kind == RowKind::kFeatures) return rows.isfinite().logical_not().any(1);
  return improbable_rows(kind == RowKind::kProbabilities ? rows : rows.to(at::kDouble).exp());
}

std::string fault_of(RowKind kind) {
  switch (kind) {
    case RowKind::kFeatures:
      return "holds a value that is not finite; make the features again without it";
    case RowKind::kProbabilities:
      return "does not hold class probabilities: numbers from 0 to 1 with the sum 1; take the "
             "detector's output after its softmax";
    case RowKind::kLogProbabilities:
      return "does not hold logarithms of class probabilities: their exponentials must lie from 0 "
             "to 1 and sum to 1; take the detector's log-softmax";
  }
  return "";
}

at::Tensor require_table(const io::SafetensorsFile& file, const std::string& name, RowKind kind,
                         const fs::path& path) {
  const at::Tensor values = file.tensor(name);
  if (values.dim() != 2 || !values.is_floating_point() || values.size(1) == 0) {
    throw DataError("'" + path.string() + "': " + name +
                    " must be a table of floating-point numbers, [N, D]");
  }
  for (std::int64_t begin = 0; begin < values.size(0); begin += kBlock) {
    const at::Tensor bad = bad_rows(values.slice(0, begin, begin + kBlock), kind);
    if (!bad.any().item<bool>()) continue;
    throw DataError("'" + path.string() + "': row " +
                    std::to_string(begin + bad.nonzero()[0][0].item<std::int64_t>()) + " of " +
                    name + " (counted from 0) " + fault_of(kind));
  }
  return values;
}

/// One entry for every run of rows with the same group; every row alone where there are none.
std::vector<VideoRows> videos_of(const io::SafetensorsFile& file, std::int64_t rows,
                                 const fs::path& path) {
  std::vector<VideoRows> videos;
  at::Tensor groups = at::arange(rows);
  if (file.contains("groups")) {
    groups = file.tensor("groups");
    if (!at::isIntegralType(groups.scalar_type(), /*includeBool=*/false)) {
      throw DataError("'" + path.string() +
                      "': groups must be integers, one number for each patient; they are of type " +
                      std::string(at::toString(groups.scalar_type())));
    }
    groups = groups.to(at::kLong);
    if (groups.dim() != 1 || groups.size(0) != rows) {
      throw DataError("'" + path.string() + "': groups must have one number for each of the " +
                      std::to_string(rows) + " rows of features");
    }
  }
  const auto* group = groups.const_data_ptr<std::int64_t>();
  for (std::int64_t row = 0; row < rows; ++row) {
    if (row > 0 && group[row] == group[row - 1]) {
      videos.back().end = row + 1;
      continue;
    }
    const std::string name = std::to_string(group[row]);
    videos.push_back({name, "", name, row, row + 1});
  }
  return videos;
}

}  // namespace

std::int64_t FeatureTable::patient_count() const {
  std::set<std::string> patients;
  for (const VideoRows& video : videos) patients.insert(video.patient);
  return static_cast<std::int64_t>(patients.size());
}

std::vector<std::string> FeatureTable::class_names() const {
  std::vector<std::string> names;
  for (const VideoRows& video : videos) {
    if (!video.class_name.empty() &&
        std::find(names.begin(), names.end(), video.class_name) == names.end()) {
      names.push_back(video.class_name);
    }
  }
  return names;
}

FeatureTable FeatureTable::of_class(const std::string& class_name) const {
  std::vector<std::pair<VideoRows, at::Tensor>> chosen;
  for (const VideoRows& video : videos) {
    if (video.class_name == class_name)
      chosen.emplace_back(video, at::arange(video.begin, video.end));
  }
  return gather(*this, chosen);
}

FeatureTable FeatureTable::first(std::int64_t count) const {
  if (count == 0 || rows() <= count) return *this;
  FeatureTable result = *this;
  result.features = features.slice(0, 0, count);
  if (log_probabilities.defined()) result.log_probabilities = log_probabilities.slice(0, 0, count);
  std::erase_if(result.videos, [&](const VideoRows& video) { return video.begin >= count; });
  result.videos.back().end = count;
  return result;
}

FeatureTable FeatureTable::spread(std::int64_t count) const {
  if (count == 0 || rows() <= count) return *this;
  const at::Tensor whole = (at::arange(count, at::kLong) * rows()).div(count, "floor").contiguous();
  const auto* place = whole.const_data_ptr<std::int64_t>();
  std::vector<std::pair<VideoRows, at::Tensor>> chosen;
  for (const VideoRows& video : videos) {
    const auto* begin = std::lower_bound(place, place + count, video.begin);
    const auto* end = std::lower_bound(place, place + count, video.end);
    if (begin != end) chosen.emplace_back(video, whole.slice(0, begin - place, end - place));
  }
  return gather(*this, chosen);
}

FeatureTable read_feature_table(const fs::path& path) {
  require_file(path, "features");
  const io::SafetensorsFile file(path);
  if (!file.contains("features")) {
    throw DataError("'" + path.string() + "' has no tensor called features, [N, D]");
  }
  FeatureTable table;
  table.features = require_table(file, "features", RowKind::kFeatures, path);
  if (file.contains("log_probabilities")) {
    table.log_probabilities =
        require_table(file, "log_probabilities", RowKind::kLogProbabilities, path);
  } else if (file.contains("probabilities")) {
    const at::Tensor p = require_table(file, "probabilities", RowKind::kProbabilities, path);
    table.log_probabilities = spooled(p.sizes(), p.scalar_type());
    for (std::int64_t begin = 0; begin < p.size(0); begin += kBlock) {
      table.log_probabilities.slice(0, begin, begin + kBlock)
          .copy_(p.slice(0, begin, begin + kBlock).log());
    }
  }
  if (table.log_probabilities.defined() && table.log_probabilities.size(0) != table.rows()) {
    throw DataError("'" + path.string() + "': there are class probabilities of " +
                    std::to_string(table.log_probabilities.size(0)) + " rows, but features of " +
                    std::to_string(table.rows()));
  }
  table.videos = videos_of(file, table.rows(), path);
  return table;
}

at::Tensor spooled(at::IntArrayRef sizes, at::ScalarType dtype) {
  std::size_t bytes = c10::elementSize(dtype);
  for (const std::int64_t size : sizes) bytes *= static_cast<std::size_t>(size);
  if (bytes == 0) return at::zeros(sizes, dtype);
  std::string name = (temporary_folder() / "echopath-features-XXXXXX").string();
  const int descriptor = ::mkostemp(name.data(), O_CLOEXEC);
  int error = descriptor < 0 ? errno : 0;
  void* map = MAP_FAILED;
  if (error == 0) {
    ::unlink(name.c_str());
    // Space is taken now: a write to a map on a full disk would end the process.
    error = ::posix_fallocate(descriptor, 0, static_cast<off_t>(bytes));
    if (error == 0) {
      map = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
      if (map == MAP_FAILED) error = errno;
    }
    ::close(descriptor);
  }
  if (error != 0) {
    throw DataError("no temporary file of " + std::to_string(bytes) + " bytes for features in '" +
                    fs::path(name).parent_path().string() +
                    "': " + std::generic_category().message(error) +
                    "; set TMPDIR to a folder with more space");
  }
  return at::from_blob(
      map, sizes, [bytes](void* memory) { ::munmap(memory, bytes); }, dtype);
}

}  // namespace echopath::evaluation
