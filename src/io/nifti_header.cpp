#include "io/nifti_header.hpp"

#include <nifti2_io.h>

#include <array>
#include <cmath>
#include <cstring>

#include "echopath/core/errors.hpp"

namespace echopath::io {
namespace {

/// The fields of both versions that matter here, in this machine's byte order.
struct Fields {
  std::array<std::int64_t, 8> dim{};
  int datatype = 0;
  double vox_offset = 0.0;
  std::int64_t smallest_offset = 0;
  double slope = 0.0;
  double intercept = 0.0;
  double time_step = 0.0;
  int units = 0;
  bool swapped = false;
  std::string magic;
};

[[noreturn]] void refuse(const std::string& name, const std::string& reason) {
  throw DataError("NIfTI file '" + name + "' " + reason);
}

template <class Header>
Fields fields_of(const Header& header) {
  Fields fields;
  for (std::size_t i = 0; i < fields.dim.size(); ++i) fields.dim[i] = header.dim[i];
  fields.datatype = header.datatype;
  fields.vox_offset = static_cast<double>(header.vox_offset);
  fields.smallest_offset = static_cast<std::int64_t>(sizeof(Header)) + 4;
  fields.slope = header.scl_slope;
  fields.intercept = header.scl_inter;
  fields.time_step = header.pixdim[4];
  fields.units = header.xyzt_units;
  fields.magic = std::string(header.magic, 3);
  return fields;
}

/// The header as a struct, swapped where its size field says that it must be.
template <class Header, class Swap>
Fields read_fields(const std::vector<std::uint8_t>& head, Swap swap) {
  Header header;
  std::memcpy(&header, head.data(), sizeof header);
  const bool swapped = header.sizeof_hdr != static_cast<int>(sizeof header);
  if (swapped) swap(&header);
  Fields fields = fields_of(header);
  fields.swapped = swapped;
  return fields;
}

Fields read_fields(const std::vector<std::uint8_t>& head, const std::string& name) {
  nifti_set_debug_level(0);
  const auto* text = reinterpret_cast<const char*>(head.data());
  const int version = nifti_header_version(text, head.size());
  if (version == 1 && head.size() >= sizeof(nifti_1_header)) {
    return read_fields<nifti_1_header>(head, nifti_swap_as_nifti1);
  }
  if (version == 2 && head.size() >= sizeof(nifti_2_header)) {
    return read_fields<nifti_2_header>(head, nifti_swap_as_nifti2);
  }
  if (head.size() < sizeof(nifti_1_header)) {
    refuse(name, "is cut short: it holds " + std::to_string(head.size()) +
                     " bytes, the header alone has 348");
  }
  refuse(name, "is not a NIfTI-1 or NIfTI-2 file");
}

bool is_readable(int datatype) {
  switch (datatype) {
    case DT_UINT8:
    case DT_INT8:
    case DT_INT16:
    case DT_UINT16:
    case DT_INT32:
    case DT_UINT32:
    case DT_FLOAT32:
    case DT_FLOAT64:
    case DT_RGB24:
      return true;
    default:
      return false;
  }
}

/// Sets the three sizes from dim: two axes of the image, and at most one more that is not 1.
/// Returns which axis runs over the frames.
int set_sizes(const Fields& fields, NiftiLayout& layout, const std::string& name) {
  const std::int64_t dimensions = fields.dim[0];
  if (dimensions < 2 || dimensions > 7) {
    refuse(name, "has " + std::to_string(dimensions) +
                     " dimensions; a cine (X, Y, frames) or (X, Y, 1, frames) is needed");
  }
  int frame_axis = 0;
  layout.count = 1;
  for (int axis = 1; axis <= dimensions; ++axis) {
    const std::int64_t size = fields.dim[static_cast<std::size_t>(axis)];
    if (size < 1) {
      refuse(name, "has size " + std::to_string(size) + " in dimension " + std::to_string(axis));
    }
    if (axis < 3 || size == 1) continue;
    if (frame_axis != 0) {
      refuse(name, "is a volume over time (dimensions " + std::to_string(frame_axis) + " and " +
                       std::to_string(axis) +
                       " both exceed 1); a cine (X, Y, frames) or (X, Y, 1, frames) is needed");
    }
    frame_axis = axis;
    layout.count = size;
  }
  layout.size_x = fields.dim[1];
  layout.size_y = fields.dim[2];
  std::int64_t bytes = layout.voxel_bytes;
  for (const std::int64_t size : {layout.size_x, layout.size_y, layout.count}) {
    if (__builtin_mul_overflow(bytes, size, &bytes)) {
      refuse(name, "asks for more bytes than a file can have: " + layout.description());
    }
  }
  return frame_axis;
}

/// Seconds per unit of the time axis, 0 for other units.
double seconds_per_unit(int units) {
  switch (XYZT_TO_TIME(units)) {
    case NIFTI_UNITS_SEC:
      return 1.0;
    case NIFTI_UNITS_MSEC:
      return 1e-3;
    case NIFTI_UNITS_USEC:
      return 1e-6;
    default:
      return 0.0;
  }
}

}  // namespace

std::string NiftiLayout::description() const {
  std::string type = nifti_datatype_to_string(datatype);
  type.erase(0, type.rfind('_') + 1);
  return std::to_string(size_x) + " × " + std::to_string(size_y) + " × " + std::to_string(count) +
         " " + type;
}

NiftiLayout parse_nifti_header(const std::vector<std::uint8_t>& head, const std::string& name) {
  const Fields fields = read_fields(head, name);
  if (fields.magic[1] != '+') {
    refuse(name, "is a header whose image is in another file (.hdr and .img); convert it to .nii");
  }
  NiftiLayout layout;
  layout.datatype = fields.datatype;
  if (!is_readable(fields.datatype)) {
    refuse(name, "stores values of type " + std::to_string(fields.datatype) +
                     "; integers of 8 to 32 bits, floats and RGB24 are read");
  }
  int voxel_bytes = 0, swap_bytes = 0;
  nifti_datatype_sizes(fields.datatype, &voxel_bytes, &swap_bytes);
  layout.voxel_bytes = voxel_bytes;
  if (fields.swapped) layout.swap_bytes = swap_bytes;
  const int frame_axis = set_sizes(fields, layout, name);

  // Some writers leave the offset of the voxels at 0: they follow the header then.
  const double offset =
      fields.vox_offset == 0.0 ? static_cast<double>(fields.smallest_offset) : fields.vox_offset;
  if (!(offset >= static_cast<double>(fields.smallest_offset)) || !(offset < 9e15)) {
    refuse(name, "says that its voxels start at byte " + std::to_string(fields.vox_offset));
  }
  layout.data_offset = static_cast<std::int64_t>(offset);

  // The standard: a slope of 0 means that the values are not scaled.
  if (std::isfinite(fields.slope) && fields.slope != 0.0 && fields.datatype != DT_RGB24) {
    layout.slope = fields.slope;
    layout.intercept = std::isfinite(fields.intercept) ? fields.intercept : 0.0;
  }
  const double seconds = fields.time_step * seconds_per_unit(fields.units);
  if (frame_axis == 4 && std::isfinite(seconds) && seconds > 0.0) layout.frame_seconds = seconds;
  return layout;
}

}  // namespace echopath::io
