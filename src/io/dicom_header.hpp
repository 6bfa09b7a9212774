#pragma once

#include <gdcmDataSet.h>

#include "echopath/io/dicom.hpp"
#include "io/dicom_pixels.hpp"

namespace echopath::io {

/// Fills identifiers, frame rate, frame times and 2D regions; `cine.frames` must hold the frames.
void read_header(const gdcm::DataSet& data_set, DicomCine& cine);

/// Rescale slope and intercept, window centre and width (their first values).
GreyScale read_grey_scale(const gdcm::DataSet& data_set);

}  // namespace echopath::io
