#include "echopath/io/dicom.hpp"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <exception>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>

#include "echopath/core/errors.hpp"
#include "io/dicom_decode.hpp"
#include "io/dicom_layout.hpp"
#include "io/dicom_structure.hpp"

namespace echopath::io {
namespace {

using nlohmann::json;

constexpr rlim_t kDecoderSeconds = 600;

/// What the child sends: the size of a CBOR header, the header, the pixels. CBOR, because header
/// text may be in any encoding.
bool write_all(int descriptor, const void* data, std::size_t size) {
  const auto* at = static_cast<const char*>(data);
  while (size > 0) {
    const ssize_t written = ::write(descriptor, at, size);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    at += written;
    size -= static_cast<std::size_t>(written);
  }
  return true;
}

bool read_all(int descriptor, void* data, std::size_t size) {
  auto* at = static_cast<char*>(data);
  while (size > 0) {
    const ssize_t got = ::read(descriptor, at, size);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    at += got;
    size -= static_cast<std::size_t>(got);
  }
  return true;
}

json describe(const DicomCine& cine) {
  json regions = json::array();
  for (const DicomRegion& r : cine.regions_2d)
    regions.push_back({r.min_x, r.min_y, r.max_x, r.max_y});
  return {{"count", cine.frames.count},
          {"height", cine.frames.height},
          {"width", cine.frames.width},
          {"channels", cine.frames.channels},
          {"fps", cine.frames.fps},
          {"frame_seconds", cine.frame_seconds},
          {"patient_id", cine.patient_id},
          {"sop_instance_uid", cine.sop_instance_uid},
          {"study_instance_uid", cine.study_instance_uid},
          {"regions", regions}};
}

DicomCine from_description(const json& header) {
  DicomCine cine;
  cine.frames.count = header.at("count");
  cine.frames.height = header.at("height");
  cine.frames.width = header.at("width");
  cine.frames.channels = header.at("channels");
  cine.frames.fps = header.at("fps");
  cine.frame_seconds = header.at("frame_seconds").get<std::vector<double>>();
  cine.patient_id = header.at("patient_id");
  cine.sop_instance_uid = header.at("sop_instance_uid");
  cine.study_instance_uid = header.at("study_instance_uid");
  for (const json& r : header.at("regions")) cine.regions_2d.push_back({r[0], r[1], r[2], r[3]});
  return cine;
}

void limit(decltype(RLIMIT_CORE) what, rlim_t value) {
  const rlimit limits{value, value};
  ::setrlimit(what, &limits);
}

/// The child: decodes, sends, and leaves without running anything of the parent's.
[[noreturn]] void decode_in_child(const std::filesystem::path& path, int descriptor) {
  limit(RLIMIT_CORE, 0);
  limit(RLIMIT_CPU, kDecoderSeconds);
  const int null = ::open("/dev/null", O_WRONLY);
  if (null >= 0) {
    ::dup2(null, STDOUT_FILENO);
    ::dup2(null, STDERR_FILENO);
  }
  json header;
  DicomCine cine;
  try {
    cine = decode_dicom(path);
    header = describe(cine);
  } catch (const DataError& error) {
    header = {{"error", error.what()}};
  } catch (const std::bad_alloc&) {
    header = {{"error", "DICOM file '" + path.string() + "' needs more memory than there is"}};
  } catch (const std::exception&) {
    header = {{"error", "DICOM file '" + path.string() + "' is damaged: GDCM gave up on it"}};
  }
  const std::vector<std::uint8_t> packed = json::to_cbor(header);
  const std::uint64_t size = packed.size();
  const bool sent = write_all(descriptor, &size, sizeof size) &&
                    write_all(descriptor, packed.data(), packed.size()) &&
                    write_all(descriptor, cine.frames.pixels.data(), cine.frames.pixels.size());
  ::_exit(sent ? 0 : 1);
}

/// Reads what the child sends. An empty result: the child ended before it had sent everything.
std::optional<DicomCine> receive(int descriptor, std::string* error) {
  std::uint64_t size = 0;
  if (!read_all(descriptor, &size, sizeof size) || size > (1u << 28)) return std::nullopt;
  std::vector<std::uint8_t> packed(size);
  if (!read_all(descriptor, packed.data(), packed.size())) return std::nullopt;
  const json header = json::from_cbor(packed);
  if (header.contains("error")) {
    *error = header.at("error").get<std::string>();
    return std::nullopt;
  }
  DicomCine cine = from_description(header);
  cine.frames.pixels.resize(static_cast<std::size_t>(cine.frames.count * cine.frames.frame_size()));
  if (!read_all(descriptor, cine.frames.pixels.data(), cine.frames.pixels.size())) {
    return std::nullopt;
  }
  return cine;
}

}  // namespace

bool looks_like_dicom(const std::filesystem::path& path) {
  std::ifstream stream(path, std::ios::binary);
  return stream && find_dicom_start(stream).is_dicom;
}

DicomCine read_dicom_cine(const std::filesystem::path& path) {
  check_dicom_lengths(path);
  int pipe_ends[2];
  if (::pipe2(pipe_ends, O_CLOEXEC) != 0) {
    throw DataError("cannot read DICOM file '" + path.string() + "': " + std::strerror(errno));
  }
  const pid_t child = ::fork();
  if (child == 0) {
    ::close(pipe_ends[0]);
    decode_in_child(path, pipe_ends[1]);
  }
  ::close(pipe_ends[1]);
  std::string error;
  std::optional<DicomCine> cine;
  if (child > 0) cine = receive(pipe_ends[0], &error);
  ::close(pipe_ends[0]);
  int status = 0;
  while (child > 0 && ::waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
  if (cine) return std::move(*cine);
  if (error.empty()) {
    error = "DICOM file '" + path.string() + "' is damaged: GDCM stopped while reading it";
  }
  throw DataError(error);
}

}  // namespace echopath::io
