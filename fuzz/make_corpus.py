#!/usr/bin/env python3
"""Writes the seed files of the fuzz targets into corpus/. Needs no package; the .pt seeds are the
fixtures of tests/fixtures/pt. Run from this folder."""
import gzip
import json
import pathlib
import shutil
import struct

HERE = pathlib.Path("corpus")


def put(target, name, content):
    folder = HERE / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())


def safetensors(header, data):
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


put("safetensors", "two", safetensors(
    {"__metadata__": {"k": "v"},
     "a": {"dtype": "F32", "shape": [2], "data_offsets": [1, 9]},
     "b": {"dtype": "BOOL", "shape": [1], "data_offsets": [0, 1]}}, bytes(9)))
put("safetensors", "empty", safetensors({"e": {"dtype": "I64", "shape": [0, 3], "data_offsets": [0, 0]}}, b""))
fixtures = pathlib.Path("../tests/fixtures")
shutil.copyfile(fixtures / "safetensors/reference.safetensors", HERE / "safetensors/reference")

for name in ("bare_zip", "bare_stream", "nested_zip", "nested_stream", "protocol5_zip", "evil_stream"):
    (HERE / "pt").mkdir(parents=True, exist_ok=True)
    shutil.copyfile(fixtures / f"pt/{name}.pt", HERE / "pt" / name)


def nifti(dims, datatype, bits, data, magic=b"n+1\0", order="<"):
    header = bytearray(348)
    struct.pack_into(order + "i", header, 0, 348)
    struct.pack_into(order + "8h", header, 40, *(dims + [1] * (8 - len(dims))))
    struct.pack_into(order + "2h", header, 70, datatype, bits)
    struct.pack_into(order + "8f", header, 76, 1, 1, 1, 0.03, 0, 0, 0, 0)
    struct.pack_into(order + "3f", header, 108, 352, 1.0, 0.0)
    header[123] = 2 | 8  # millimetres, seconds
    header[344:348] = magic
    return bytes(header) + bytes(4) + data


put("nifti", "bytes", nifti([3, 4, 3, 2], 2, 8, bytes(range(24))))
put("nifti", "floats", nifti([4, 2, 2, 1, 2], 16, 32, struct.pack("<8f", *range(8))))
put("nifti", "big_endian", nifti([3, 2, 2, 2], 4, 16, bytes(16), order=">"))
put("nifti", "zipped", gzip.compress(nifti([3, 4, 3, 2], 2, 8, bytes(24)), mtime=0))


def element(group, number, vr, value):
    value += b"\0" * (len(value) % 2) if vr in (b"UI", b"OB") else b" " * (len(value) % 2)
    length = struct.pack("<HI", 0, len(value)) if vr in (b"OB", b"OW", b"SQ") else struct.pack("<H", len(value))
    return struct.pack("<HH", group, number) + vr + length + value


def us(value):
    return struct.pack("<H", value)


def dicom(syntax, pixels, frames, photometric=b"MONOCHROME2", samples=1):
    meta = element(2, 2, b"UI", b"1.2.840.10008.5.1.4.1.1.3.1") + element(2, 3, b"UI", b"1.2.3") + \
        element(2, 0x10, b"UI", syntax)
    meta = element(2, 0, b"UL", struct.pack("<I", len(meta))) + meta
    body = element(8, 0x16, b"UI", b"1.2.840.10008.5.1.4.1.1.3.1") + element(8, 0x18, b"UI", b"1.2.3") + \
        element(0x10, 0x20, b"LO", b"P1") + element(0x18, 0x1063, b"DS", b"33.3") + \
        element(0x28, 2, b"US", us(samples)) + element(0x28, 4, b"CS", photometric) + \
        (element(0x28, 6, b"US", us(0)) if samples > 1 else b"") + \
        element(0x28, 8, b"IS", str(frames).encode()) + element(0x28, 0x10, b"US", us(4)) + \
        element(0x28, 0x11, b"US", us(4)) + element(0x28, 0x100, b"US", us(8)) + \
        element(0x28, 0x101, b"US", us(8)) + element(0x28, 0x102, b"US", us(7)) + \
        element(0x28, 0x103, b"US", us(0)) + pixels
    return bytes(128) + b"DICM" + meta + body


def item(data):
    return struct.pack("<HHI", 0xFFFE, 0xE000, len(data)) + data


put("dicom", "grey", dicom(b"1.2.840.10008.1.2.1", element(0x7FE0, 0x10, b"OB", bytes(range(32))), 2))
put("dicom", "colour", dicom(b"1.2.840.10008.1.2.1", element(0x7FE0, 0x10, b"OB", bytes(range(48))), 1, b"RGB", 3))
rle = struct.pack("<16I", 1, 64, *[0] * 14) + bytes([256 - 15, 7])  # one segment: 16 times the byte 7
put("dicom", "rle", dicom(
    b"1.2.840.10008.1.2.5",
    struct.pack("<HH2sHI", 0x7FE0, 0x10, b"OB", 0, 0xFFFFFFFF) + item(b"") + item(rle) + item(rle) +
    struct.pack("<HHI", 0xFFFE, 0xE0DD, 0), 2))

put("csv", "list", "FileName,ClassName,PatientId,Split\na,ASD,p1,TRAIN\n\"b, c\",\"say \"\"x\"\"\",p2,VAL\r\n")
put("csv", "mark", "\ufeffFileName;x\n a ; b\n\n")
put("config", "all", json.dumps({
    "flag": True, "steps": 10, "rate": 0.5, "name": "y", "kind": "b", "sizes": [1, 2, 3], "heads": 4,
    "fixed": 1, "ignored": {"a": []}, "_comment": "x",
    "inner": {"reals": [0.1], "texts": ["t"], "maybe": None}}))
put("config", "comments", "{ // one\n \"heads\": [1, 2], /* two */ \"inner\": {\"maybe\": 3}\n}\n")
put("config", "override", "inner.reals=[0.25,0.5]")
