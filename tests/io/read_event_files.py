#!/usr/bin/env python3
"""Prints as JSON what TensorBoard's own reader finds in a folder of event files.

usage: read_event_files.py FOLDER [--pictures FOLDER]   (pip install tensorboard pillow)

Numbers are rounded to six digits, since event files hold scalars in single precision.
"""

import argparse
import io
import json
import pathlib

from PIL import Image
from tensorboard.backend.event_processing import event_accumulator, plugin_event_accumulator
from tensorboard.util import tensor_util


def rounded(number):
    return float(f"{number:.6g}")


def picture(event, folder, tag):
    image = Image.open(io.BytesIO(event.encoded_image_string))
    for frame in range(getattr(image, "n_frames", 1)):
        image.seek(frame)
        image.load()
    assert image.size == (event.width, event.height), (image.size, event.width, event.height)
    if folder:
        folder.mkdir(parents=True, exist_ok=True)
        name = f"{tag.replace('/', '_')}-{event.step}.{image.format.lower()}"
        (folder / name).write_bytes(event.encoded_image_string)
    return {"step": event.step, "format": image.format, "frames": getattr(image, "n_frames", 1),
            "width": image.width, "height": image.height}


def read(folder, pictures=None):
    everything = {"scalars": 0, "images": 0, "histograms": 0, "tensors": 0}
    events = event_accumulator.EventAccumulator(str(folder), size_guidance=everything).Reload()
    # What TensorBoard itself shows histograms from: the form that it turns them into.
    plugin = plugin_event_accumulator.EventAccumulator(
        str(folder), tensor_size_guidance={"histograms": 0}).Reload()
    tags = events.Tags()
    return {
        "scalars": {tag: [[e.step, rounded(e.value)] for e in events.Scalars(tag)]
                    for tag in tags["scalars"]},
        "images": {tag: [picture(e, pictures, tag) for e in events.Images(tag)]
                   for tag in tags["images"]},
        "histograms": {tag: [{"step": e.step,
                              "bins": [[rounded(x) for x in row]
                                       for row in tensor_util.make_ndarray(e.tensor_proto).tolist()]}
                             for e in plugin.Tensors(tag)]
                       for tag in tags["histograms"]},
        "texts": {tag: [[e.step, e.tensor_proto.string_val[0].decode()] for e in events.Tensors(tag)]
                  for tag in tags["tensors"]},
    }


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--pictures", type=pathlib.Path, help="writes the images into this folder")
    arguments = parser.parse_args()
    print(json.dumps(read(arguments.folder, arguments.pictures)))


if __name__ == "__main__":
    main()
