#include "echopath/io/pt_reader.hpp"

#include <cstring>

#include "echopath/core/errors.hpp"
#include "echopath/core/text.hpp"
#include "io/mapped_file.hpp"
#include "io/pickle_machine.hpp"
#include "io/pt_tensors.hpp"
#include "io/zip_archive.hpp"

namespace echopath::io {
namespace {

constexpr std::size_t kMaxPickleBytes = 64'000'000;
/// 0x1950a86a20f9469cfc6c as the stream format begins with it, little-endian.
constexpr std::string_view kStreamMagic{"\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19", 10};
constexpr std::int64_t kStreamVersion = 1001;

/// The folder that all entries of the archive lie in, with its slash.
std::string archive_prefix(const ZipArchive& archive, const std::string& source) {
  constexpr std::string_view kPickle = "data.pkl";
  for (const std::string& name : archive.names()) {
    const std::size_t slash = name.find('/');
    if (slash != std::string::npos && std::string_view(name).substr(slash + 1) == kPickle) {
      const std::string prefix = name.substr(0, slash + 1);
      if (archive.contains(prefix + "constants.pkl")) {
        throw DataError(source + ": is a TorchScript archive; save its state_dict with torch.save");
      }
      return prefix;
    }
  }
  throw DataError(source + ": is a zip archive without data.pkl, so not a file of torch.save");
}

TensorMap load_zip(const std::filesystem::path& path, std::uint64_t file_size,
                   const std::string& source) {
  const ZipArchive archive(path);
  const std::string prefix = archive_prefix(archive, source);
  if (archive.contains(prefix + "byteorder") &&
      archive.read_text(prefix + "byteorder", 16) != "little") {
    throw DataError(source + ": was saved on a big-endian machine, which is not supported");
  }
  const std::string pickle = archive.read_text(prefix + "data.pkl", kMaxPickleBytes);
  PickleMachine machine(pickle, source);
  const PickleIndex root = machine.run();
  TensorMap storages;
  for (const auto& [key, storage] : announced_storages(machine, file_size, source)) {
    const std::string entry = prefix + "data/" + key;
    if (archive.size(entry) != storage.bytes()) {
      throw DataError(source + ": storage " + quoted_text(key) + " has " +
                      std::to_string(archive.size(entry)) + " bytes, not the announced " +
                      std::to_string(storage.bytes()));
    }
    storages[key] = storage_tensor(
        storage, [&](char* out, std::size_t length) { archive.read(entry, out, length); });
  }
  return collect_tensors(machine, root, storages, source);
}

/// Checks the three small pickles in front of the object: magic number, version, byte order.
void check_stream_head(PickleMachine& machine, const std::string& source) {
  const PickleValue& magic = machine.value(machine.run());
  if (magic.kind != PickleKind::kBytes || magic.text != kStreamMagic) {
    throw DataError(source + ": is not a file of torch.save: the magic number differs");
  }
  const PickleValue& version = machine.value(machine.run());
  if (version.kind != PickleKind::kInteger || version.integer != kStreamVersion) {
    throw DataError(source + ": has an unknown version of torch.save's stream format");
  }
  const PickleValue& system = machine.value(machine.run());
  for (std::size_t i = 0; system.kind == PickleKind::kDict && i < system.items.size(); i += 2) {
    if (machine.value(system.items[i]).text == "little_endian" &&
        machine.value(system.items[i + 1]).integer != 1) {
      throw DataError(source + ": was saved on a big-endian machine, which is not supported");
    }
  }
}

/// The storages of a stream: for each key a 64-bit count and the raw elements.
TensorMap read_stream_storages(std::string_view rest, const PickleMachine& machine,
                               const PickleValue& keys,
                               const std::map<std::string, PtStorage>& announced,
                               const std::string& source) {
  TensorMap storages;
  for (const PickleIndex index : keys.items) {
    const std::string& key = machine.value(index).text;
    const auto storage = announced.find(key);
    std::uint64_t count = 0;
    if (storage == announced.end() || storages.count(key) > 0 || rest.size() < sizeof(count)) {
      throw DataError(source + ": its list of storages is damaged at " + quoted_text(key));
    }
    std::memcpy(&count, rest.data(), sizeof(count));
    rest.remove_prefix(sizeof(count));
    if (count != storage->second.count || rest.size() < storage->second.bytes()) {
      throw DataError(source + ": storage " + quoted_text(key) +
                      " has another size than announced; the file is cut off or damaged");
    }
    storages[key] = storage_tensor(storage->second, [&](char* out, std::size_t length) {
      std::memcpy(out, rest.data(), length);
    });
    rest.remove_prefix(storage->second.bytes());
  }
  if (storages.size() != announced.size()) {
    throw DataError(source + ": lacks a storage that its tensors use");
  }
  return storages;
}

TensorMap load_stream(std::string_view bytes, const std::string& source) {
  PickleMachine machine(bytes, source);
  check_stream_head(machine, source);
  const PickleIndex root = machine.run();
  const auto announced = announced_storages(machine, bytes.size(), source);
  const PickleIndex keys = machine.run();
  if (machine.value(keys).kind != PickleKind::kList) {
    throw DataError(source + ": its list of storages is damaged");
  }
  const TensorMap storages = read_stream_storages(bytes.substr(machine.position()), machine,
                                                  machine.value(keys), announced, source);
  return collect_tensors(machine, root, storages, source);
}

}  // namespace

TensorMap load_pt(const std::filesystem::path& path) {
  const std::string source = "'" + path.string() + "'";
  const MappedFile file(path);
  if (file.bytes().starts_with("PK\x03\x04")) {
    return load_zip(path, file.size(), source);
  }
  if (file.bytes().starts_with('\x80')) {
    return load_stream(file.bytes(), source);
  }
  throw DataError(source + ": is not a file of torch.save (neither its zip nor its stream format)");
}

}  // namespace echopath::io
