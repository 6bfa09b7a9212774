#include "echopath/io/safetensors.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>

#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "echopath/core/text.hpp"
#include "io/mapped_file.hpp"
#include "io/safetensors_header.hpp"

namespace echopath::io {
namespace {

static_assert(std::endian::native == std::endian::little, "the format is little-endian");

constexpr std::size_t kLengthBytes = 8;
constexpr std::size_t kAlignment = 8;
/// The limit of the format's reference implementation.
constexpr std::uint64_t kMaxHeaderBytes = 100'000'000;

/// Sizes as LibTorch takes them. Axes of length 0 count as 1, so that the strides of an empty
/// tensor cannot overflow either.
std::vector<std::int64_t> checked_shape(const SafetensorsEntry& raw, const std::string& source) {
  constexpr auto kMax = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  std::uint64_t count = 8;  // bytes of the widest dtype
  std::vector<std::int64_t> shape;
  for (const std::uint64_t size : raw.shape) {
    if (size > kMax || count > kMax / std::max<std::uint64_t>(size, 1)) {
      throw DataError(source + ": the shape of tensor " + quoted_text(raw.name) +
                      " overflows 64-bit sizes");
    }
    count *= std::max<std::uint64_t>(size, 1);
    shape.push_back(static_cast<std::int64_t>(size));
  }
  return shape;
}

std::size_t byte_count(const std::vector<std::int64_t>& shape, at::ScalarType dtype) {
  std::size_t count = at::elementSize(dtype);
  for (const std::int64_t size : shape) {
    count *= static_cast<std::size_t>(size);
  }
  return count;
}

/// Length of the header, checked against the file.
std::size_t header_length(const MappedFile& map, const std::string& source) {
  if (map.size() < kLengthBytes) {
    throw DataError(source + ": a safetensors file has at least 8 bytes, this one has " +
                    std::to_string(map.size()));
  }
  std::uint64_t length = 0;
  std::memcpy(&length, map.data(), kLengthBytes);
  if (length > kMaxHeaderBytes || length > map.size() - kLengthBytes) {
    throw DataError(source + ": the safetensors header claims " + std::to_string(length) +
                    " bytes, the file has " + std::to_string(map.size() - kLengthBytes) +
                    " behind the length and 100000000 are allowed; the file is cut off or of "
                    "another format");
  }
  return static_cast<std::size_t>(length);
}

}  // namespace

SafetensorsFile::SafetensorsFile(const std::filesystem::path& path)
    : path_(path), map_(std::make_shared<MappedFile>(path)) {
  const std::string source = "'" + path.string() + "'";
  const std::size_t length = header_length(*map_, source);
  SafetensorsHeader header =
      parse_safetensors_header(map_->bytes().substr(kLengthBytes, length), source);
  metadata_ = std::move(header.metadata);
  for (const SafetensorsEntry& raw : header.entries) {
    add_entry(raw, kLengthBytes + length);
  }
  check_tiling(kLengthBytes + length);
  for (const auto& [name, entry] : entries_) {
    names_.push_back(name);
  }
}

void SafetensorsFile::add_entry(const SafetensorsEntry& raw, std::size_t data_begin) {
  const std::string source = "'" + path_.string() + "'";
  Entry entry;
  entry.dtype = safetensors_dtype(raw.dtype, source + ", tensor " + quoted_text(raw.name));
  entry.shape = checked_shape(raw, source);
  const std::size_t available = map_->size() - data_begin;
  const std::uint64_t begin = raw.offsets[0];
  const std::uint64_t end = raw.offsets[1];
  if (begin > end || end > available) {
    throw DataError(source + ": tensor " + quoted_text(raw.name) + " lies at bytes " +
                    std::to_string(begin) + " to " + std::to_string(end) + ", outside the " +
                    std::to_string(available) + " bytes of data");
  }
  if (end - begin != byte_count(entry.shape, entry.dtype)) {
    throw DataError(source + ": tensor " + quoted_text(raw.name) + " needs " +
                    std::to_string(byte_count(entry.shape, entry.dtype)) +
                    " bytes for its shape and dtype but has " + std::to_string(end - begin));
  }
  entry.begin = data_begin + begin;
  entry.end = data_begin + end;
  entries_.emplace(raw.name, std::move(entry));
}

void SafetensorsFile::check_tiling(std::size_t data_begin) const {
  std::vector<const decltype(entries_)::value_type*> order;
  for (const auto& item : entries_) {
    order.push_back(&item);
  }
  std::sort(order.begin(), order.end(), [](const auto* a, const auto* b) {
    return std::pair(a->second.begin, a->second.end) < std::pair(b->second.begin, b->second.end);
  });
  std::size_t position = data_begin;
  for (const auto* item : order) {
    if (item->second.begin != position) {
      throw DataError("'" + path_.string() + "': tensor " + quoted_text(item->first) +
                      (item->second.begin < position ? " overlaps another tensor"
                                                     : " leaves a hole before it"));
    }
    position = item->second.end;
  }
  if (position != map_->size()) {
    throw DataError("'" + path_.string() + "': " + std::to_string(map_->size() - position) +
                    " bytes at the end belong to no tensor");
  }
}

const SafetensorsFile::Entry& SafetensorsFile::entry(const std::string& name) const {
  const auto found = entries_.find(name);
  if (found == entries_.end()) {
    const std::string near = nearest_name(name, names_);
    throw DataError("'" + path_.string() + "' has no tensor " + quoted_text(name) +
                    (near.empty() ? "" : "; did you mean " + quoted_text(near) + "?"));
  }
  return found->second;
}

bool SafetensorsFile::contains(const std::string& name) const {
  return entries_.count(name) > 0;
}

std::vector<std::int64_t> SafetensorsFile::shape(const std::string& name) const {
  return entry(name).shape;
}

at::ScalarType SafetensorsFile::dtype(const std::string& name) const {
  return entry(name).dtype;
}

at::Tensor SafetensorsFile::tensor(const std::string& name) const {
  const Entry& found = entry(name);
  const at::TensorOptions options = at::TensorOptions().dtype(found.dtype);
  if (found.begin == found.end) {
    return at::empty(found.shape, options);
  }
  char* data = map_->data() + found.begin;
  if (found.begin % at::elementSize(found.dtype) != 0) {  // the map itself starts at a page
    const at::Tensor copy = at::empty(found.shape, options);
    std::memcpy(copy.data_ptr(), data, found.end - found.begin);
    return copy;
  }
  return at::from_blob(
      data, found.shape, [map = map_](void*) {}, options);
}

void SafetensorsFile::forget(const std::string& name) const {
  const Entry& found = entry(name);
  map_->forget(found.begin, found.end);
}

TensorMap SafetensorsFile::all() const {
  TensorMap tensors;
  for (const std::string& name : names_) {
    tensors.emplace(name, tensor(name));
  }
  return tensors;
}

TensorMap load_safetensors(const std::filesystem::path& path) {
  TensorMap tensors = SafetensorsFile(path).all();
  for (auto& [name, tensor] : tensors) {
    tensor = tensor.clone();
  }
  return tensors;
}

namespace {

using NamedTensor = std::pair<std::string, at::Tensor>;

/// Contiguous CPU tensors in the order in which they will lie in the file.
std::vector<NamedTensor> laid_out(const TensorMap& tensors, const std::string& source) {
  std::vector<NamedTensor> ordered;
  for (const auto& [name, tensor] : tensors) {
    TORCH_CHECK(tensor.defined() && tensor.layout() == at::kStrided, "save_safetensors: tensor '",
                name, "' is undefined or not strided");
    if (safetensors_dtype_name(tensor.scalar_type()) == nullptr || name == "__metadata__") {
      throw DataError(source + ": tensor " + quoted_text(name) + " of dtype " +
                      at::toString(tensor.scalar_type()) +
                      " cannot be saved in this format; convert or rename it");
    }
    ordered.emplace_back(name, tensor.detach().to(at::kCPU).contiguous());
  }
  std::stable_sort(ordered.begin(), ordered.end(), [](const auto& a, const auto& b) {
    return safetensors_layout_rank(a.second.scalar_type()) <
           safetensors_layout_rank(b.second.scalar_type());
  });
  return ordered;
}

std::string header_of(const std::vector<NamedTensor>& tensors, const Metadata& metadata,
                      const std::string& source) {
  nlohmann::ordered_json json = nlohmann::ordered_json::object();
  if (!metadata.empty()) {
    json["__metadata__"] = metadata;
  }
  std::size_t position = 0;
  for (const auto& [name, tensor] : tensors) {
    const std::size_t end = position + tensor.nbytes();
    json[name] = {{"dtype", safetensors_dtype_name(tensor.scalar_type())},
                  {"shape", tensor.sizes().vec()},
                  {"data_offsets", {position, end}}};
    position = end;
  }
  std::string text;
  try {
    text = json.dump();
  } catch (const nlohmann::json::exception&) {
    throw DataError(source + ": a tensor name or metadata text is not UTF-8; rename it");
  }
  text.resize((text.size() + kAlignment - 1) / kAlignment * kAlignment, ' ');
  return text;
}

}  // namespace

void save_safetensors(const std::filesystem::path& path, const TensorMap& tensors,
                      const Metadata& metadata, Durability durability) {
  const std::string source = "'" + path.string() + "'";
  const std::vector<NamedTensor> ordered = laid_out(tensors, source);
  const std::string header = header_of(ordered, metadata, source);
  if (header.size() > kMaxHeaderBytes) {
    throw DataError(source + ": the names, shapes and metadata exceed the format's 100 MB");
  }
  const std::uint64_t length = header.size();
  AtomicFile file(path);
  file.write(std::string_view(reinterpret_cast<const char*>(&length), kLengthBytes));
  file.write(header);
  for (const auto& [name, tensor] : ordered) {
    file.write(std::string_view(static_cast<const char*>(tensor.data_ptr()), tensor.nbytes()));
  }
  file.commit(durability);
}

}  // namespace echopath::io
