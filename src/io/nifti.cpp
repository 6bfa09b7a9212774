#include "echopath/io/nifti.hpp"

#include <c10/util/Exception.h>
#include <nifti2_io.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <type_traits>

#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "echopath/core/text.hpp"
#include "io/disk_full.hpp"
#include "io/luma.hpp"
#include "io/nifti_header.hpp"

namespace echopath::io {
namespace {

/// A multiple of every voxel's size.
constexpr std::int64_t kChunkBytes = 24 * 32768;
/// No cine is longer; guards against headers that a compressed file of zeros can keep.
constexpr std::int64_t kMaxVoxels = std::int64_t{1} << 32;
/// Deflate shrinks nothing by more than this (zlib's technical details).
constexpr std::int64_t kMostCompression = 1032;

struct GzCloser {
  void operator()(gzFile_s* file) const { gzclose(file); }
};
using GzPtr = std::unique_ptr<gzFile_s, GzCloser>;

/// zlib's words for the last error on a file.
std::string gz_reason(gzFile file) {
  int code = Z_OK;
  const char* text = gzerror(file, &code);
  if (code == Z_ERRNO) return std::strerror(errno);
  // zlib puts the file's name in front.
  const char* reason = std::strrchr(text, ':');
  return reason == nullptr ? text : trim(reason + 1);
}

/// A file read from the front, compressed or not.
class GzInput {
 public:
  explicit GzInput(const fs::path& path) : name_(path.string()), file_(gzopen(path.c_str(), "rb")) {
    if (!file_)
      throw DataError("NIfTI file '" + name_ + "' cannot be opened: " + std::strerror(errno));
    file_bytes_ = static_cast<std::int64_t>(fs::file_size(path));
  }

  /// Up to `count` bytes; fewer only at the end. Throws DataError where the file is damaged.
  std::int64_t read(std::uint8_t* target, std::int64_t count) {
    const int got = gzread(file_.get(), target, static_cast<unsigned>(count));
    int code = Z_OK;
    gzerror(file_.get(), &code);
    if (got < 0 || code != Z_OK) {
      throw DataError("NIfTI file '" + name_ + "' is damaged or cut short: " +
                      gz_reason(file_.get()) + "; copy the file again or take it out");
    }
    return got;
  }

  /// No more bytes than this can come out. Known once something was read.
  std::int64_t most_bytes() const {
    return gzdirect(file_.get()) ? file_bytes_ : file_bytes_ * kMostCompression;
  }

 private:
  std::string name_;
  GzPtr file_;
  std::int64_t file_bytes_ = 0;
};

[[noreturn]] void refuse_short(const fs::path& path, const NiftiLayout& layout, std::int64_t held) {
  throw DataError("NIfTI file '" + path.string() + "' is cut short: its header asks for " +
                  layout.description() + " (" +
                  human_bytes(static_cast<double>(layout.data_bytes())) + ") after byte " +
                  std::to_string(layout.data_offset) + ", but it holds " +
                  human_bytes(static_cast<double>(held)) + "; copy the file again or take it out");
}

/// Refuses what the file cannot hold, before anything is allocated for it.
void check_size(const fs::path& path, const NiftiLayout& layout, const GzInput& input) {
  const std::int64_t most = input.most_bytes();
  if (layout.data_offset > most || layout.data_bytes() > most - layout.data_offset) {
    refuse_short(path, layout, std::min(most, static_cast<std::int64_t>(fs::file_size(path))));
  }
  if (layout.data_bytes() / layout.voxel_bytes > kMaxVoxels) {
    throw DataError("NIfTI file '" + path.string() + "' holds " + layout.description() +
                    ", more than a cine of 2^32 voxels; cut it first");
  }
}

template <class Value>
void append_values(const std::vector<std::uint8_t>& bytes, const NiftiLayout& layout,
                   std::vector<float>& values) {
  for (std::size_t i = 0; i + sizeof(Value) <= bytes.size(); i += sizeof(Value)) {
    Value value;
    std::memcpy(&value, bytes.data() + i, sizeof value);
    values.push_back(
        static_cast<float>(static_cast<double>(value) * layout.slope + layout.intercept));
  }
}

/// Converts a chunk of whole voxels.
void append_chunk(std::vector<std::uint8_t>& bytes, const NiftiLayout& layout,
                  std::vector<float>& values) {
  if (layout.swap_bytes > 1) {
    nifti_swap_Nbytes(static_cast<std::int64_t>(bytes.size()) / layout.swap_bytes,
                      layout.swap_bytes, bytes.data());
  }
  switch (layout.datatype) {
    case DT_UINT8:
      return append_values<std::uint8_t>(bytes, layout, values);
    case DT_INT8:
      return append_values<std::int8_t>(bytes, layout, values);
    case DT_INT16:
      return append_values<std::int16_t>(bytes, layout, values);
    case DT_UINT16:
      return append_values<std::uint16_t>(bytes, layout, values);
    case DT_INT32:
      return append_values<std::int32_t>(bytes, layout, values);
    case DT_UINT32:
      return append_values<std::uint32_t>(bytes, layout, values);
    case DT_FLOAT32:
      return append_values<float>(bytes, layout, values);
    case DT_FLOAT64:
      return append_values<double>(bytes, layout, values);
    case DT_RGB24:
      for (std::size_t i = 0; i + 3 <= bytes.size(); i += 3) {
        values.push_back(luma(bytes[i], bytes[i + 1], bytes[i + 2]));
      }
      return;
    default:
      TORCH_CHECK(false, "NIfTI datatype ", layout.datatype, " passed the header check");
  }
}

}  // namespace

NiftiCine read_nifti(const std::filesystem::path& path) {
  require_file(path, "NIfTI file");
  GzInput input(path);
  std::vector<std::uint8_t> buffer(kNiftiHeaderBytes);
  std::int64_t position = input.read(buffer.data(), kNiftiHeaderBytes);
  buffer.resize(static_cast<std::size_t>(position));
  const NiftiLayout layout = parse_nifti_header(buffer, path.string());
  check_size(path, layout, input);

  // The header read may have gone beyond the start of the voxels.
  std::vector<std::uint8_t> chunk;
  if (position > layout.data_offset) {
    chunk.assign(buffer.begin() + layout.data_offset, buffer.end());
  }
  while (position < layout.data_offset) {
    buffer.resize(static_cast<std::size_t>(std::min(kChunkBytes, layout.data_offset - position)));
    const std::int64_t got = input.read(buffer.data(), static_cast<std::int64_t>(buffer.size()));
    if (got == 0) refuse_short(path, layout, position);
    position += got;
  }

  NiftiCine cine;
  cine.size_x = layout.size_x;
  cine.size_y = layout.size_y;
  cine.count = layout.count;
  cine.frame_seconds = layout.frame_seconds;
  // Grows with what the file turns out to hold: a compressed file's length is not known before.
  std::int64_t remaining = layout.data_bytes();
  while (remaining > 0) {
    const auto wanted = static_cast<std::size_t>(std::min(kChunkBytes, remaining));
    const std::size_t had = std::min(chunk.size(), wanted);
    chunk.resize(wanted);
    const std::int64_t got =
        input.read(chunk.data() + had, static_cast<std::int64_t>(wanted - had));
    position += got;
    if (had + static_cast<std::size_t>(got) < wanted) refuse_short(path, layout, position);
    append_chunk(chunk, layout, cine.values);
    remaining -= static_cast<std::int64_t>(wanted);
    chunk.clear();
  }
  // Reaching the end of a compressed file makes zlib compare its checksum.
  std::uint8_t beyond = 0;
  input.read(&beyond, 1);
  cine.values.shrink_to_fit();
  return cine;
}

namespace {

/// CardiacNet's: an array (X, Y, frames) of unsigned bytes without units of time.
nifti_1_header header_of(std::int64_t size_x, std::int64_t size_y, std::int64_t count) {
  nifti_1_header header;
  std::memset(&header, 0, sizeof header);
  header.sizeof_hdr = sizeof header;
  header.regular = 'r';
  const std::int64_t sizes[] = {3, size_x, size_y, count, 1, 1, 1, 1};
  for (int i = 0; i < 8; ++i) {
    header.dim[i] = static_cast<short>(sizes[i]);
    header.pixdim[i] = 1.0f;
  }
  header.datatype = DT_UINT8;
  header.bitpix = 8;
  header.vox_offset = 352;
  header.scl_slope = 1.0f;
  header.xyzt_units = NIFTI_UNITS_MM;
  header.qform_code = NIFTI_XFORM_SCANNER_ANAT;
  std::memcpy(header.magic, "n+1", 4);
  return header;
}

void write_compressed(const fs::path& path, std::string_view bytes, const std::string& final_name) {
  errno = 0;
  gzFile file = gzopen(path.c_str(), "wb");
  std::string reason = file == nullptr ? std::strerror(errno) : "";
  for (std::size_t done = 0; reason.empty() && done < bytes.size();) {
    const std::size_t count = std::min(bytes.size() - done, static_cast<std::size_t>(kChunkBytes));
    if (gzwrite(file, bytes.data() + done, static_cast<unsigned>(count)) <= 0)
      reason = gz_reason(file) + disk_full_remedy(errno);
    done += count;
  }
  if (file != nullptr && gzclose(file) != Z_OK && reason.empty()) {
    reason =
        errno != 0 ? std::strerror(errno) + disk_full_remedy(errno) : "zlib could not finish it";
  }
  if (!reason.empty()) throw DataError("cannot write '" + final_name + "': " + reason);
}

}  // namespace

void write_nifti(const std::filesystem::path& path, std::int64_t size_x, std::int64_t size_y,
                 std::int64_t count, const std::vector<std::uint8_t>& bytes) {
  TORCH_CHECK(static_cast<std::int64_t>(bytes.size()) == size_x * size_y * count,
              "write_nifti: ", bytes.size(), " bytes for ", size_x, " x ", size_y, " x ", count);
  if (std::max({size_x, size_y, count}) > 32767 || std::min({size_x, size_y, count}) < 1) {
    throw DataError("cannot write '" + path.string() +
                    "': NIfTI-1 sizes are 1 to 32767, these are " + std::to_string(size_x) + ", " +
                    std::to_string(size_y) + ", " + std::to_string(count));
  }
  const nifti_1_header header = header_of(size_x, size_y, count);
  std::string content(reinterpret_cast<const char*>(&header), sizeof header);
  content.append(4, '\0');  // no extensions
  content.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  AtomicFile file(path);
  if (to_lower(path.extension().string()) == ".gz") {
    write_compressed(file.temporary_path(), content, path.string());
  } else {
    file.write(content);
  }
  file.commit();
}

}  // namespace echopath::io
