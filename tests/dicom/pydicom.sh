#!/usr/bin/env bash
# Reads the DICOM files of two sampled videos (demo model, one step, one block) with pydicom, every
# warning an error: what they say of themselves must be right, and every value be one that DICOM allows.
#
#   tests/dicom/pydicom.sh [--python PATH] [--program PATH]
#
# --python PATH   an interpreter that has pydicom and NumPy (default: python3); without them it exits
#                 with 77, which ctest takes for "skipped"
set -uo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/../../scripts/lib.sh"

python=python3
program="$root/build/release/bin/echopath"
take_options "python program" "$@"
if ! "$python" -c "import numpy, pydicom" 2>/dev/null; then
  echo "skipped: $python has no pydicom and NumPy: pip install pydicom==3.0.2 numpy==2.4.6"
  exit 77
fi
[ -x "$program" ] || fail "there is no program at $program" "Build it, or give --program."
work="$(mktemp -d "${TMPDIR:-/tmp}/echopath-pydicom.XXXXXX")"
trap 'rm -rf "$work"' EXIT

"$program" sample --model "$root/models/phantom" --classes ASD,PAH --blocks 1 --steps 1 --also dicom \
  --allow-unfiltered --device cpu --threads 1 --quiet --out "$work/samples" >/dev/null ||
  fail "sampling failed"
"$python" -W error - "$work/samples" <<'PYTHON' || fail "the files are not what they should be"
import json
import pathlib
import sys

import pydicom

pydicom.config.settings.reading_validation_mode = pydicom.config.RAISE
folder = pathlib.Path(sys.argv[1])
entries = [json.loads(line) for line in (folder / "manifest.jsonl").read_text().splitlines()]
uids = set()
for entry in entries:
    image = pydicom.dcmread(folder / entry["also"][0])
    image.walk(lambda _, element: element.value)  # values are checked when they are asked for
    assert image.SOPClassUID.name == "Ultrasound Multi-frame Image Storage", image.SOPClassUID
    assert image.file_meta.MediaStorageSOPInstanceUID == image.SOPInstanceUID
    assert image[0x0008, 0x001C].value == "YES", "Synthetic Data"
    assert list(image.ImageType) == ["DERIVED", "SECONDARY"], image.ImageType
    assert image.PatientName == f"SYNTHETIC^{entry['class']}_{entry['seed']:06}", image.PatientName
    assert image.NumberOfFrames == entry["frames"], image.NumberOfFrames
    assert float(image.FrameTime) == 1000.0 / entry["fps"], image.FrameTime
    assert json.loads(image.DerivationDescription)["seed"] == entry["seed"]
    pixels = image.pixel_array
    assert pixels.shape == (entry["frames"], entry["height"], entry["width"]), pixels.shape
    assert pixels.dtype == "uint8" and pixels.std() > 1.0, "there is no picture"
    uids |= {image.SOPInstanceUID, image.SeriesInstanceUID, image.StudyInstanceUID}
assert len(entries) == 2 and len(uids) == 6, "each file has UIDs of its own"
assert all(uid.is_valid and uid.startswith("2.25.") for uid in uids), uids
print(f"ok: pydicom {pydicom.__version__} reads {len(entries)} files without a complaint")
PYTHON
