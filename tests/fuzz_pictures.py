"""Damaged pictures through the whole path, from the file to the drawing: python tests/fuzz_pictures.py COUNT [FIRST]

COUNT mutations of pictures of seven formats, made in turn under a limit of memory. Nothing but an error of ours may
come out, and nothing on stderr. A mutation is a function of its number: one that fails can be made again. Prints JSON;
ends with 1 if anything else came out.
"""

import io
import json
import resource
import struct
import sys
import time

import numpy as np
from PIL import Image

from pyapdraw.artist import Artist
from pyapdraw.errors import Error
from pyapdraw.media.photo import read_photo

MEMORY_BYTES = 1_500_000_000
FORMATS = {
    "JPEG": ({"quality": 80}, {"quality": 60, "progressive": True}),
    "PNG": ({}, {"transparency": (0, 0, 0)}),
    "WEBP": ({"quality": 70}, {"lossless": True}),
    "AVIF": ({"quality": 60, "speed": 9}, {"quality": 30, "subsampling": "4:4:4", "speed": 9}),
    "GIF": ({}, {"save_all": True}),
    "TIFF": ({}, {"compression": "tiff_lzw"}, {"compression": "jpeg"}, {"compression": "tiff_adobe_deflate"}),
    "BMP": ({}, {"palette": True}),
}
WORDS = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x100, 0x3FFF, 0x72A0, 0x7FFF, 0x8000, 0xFFFF, 0x10000, 0x7FFFFFFF, 0xFFFFFFFF)


def face_photo() -> Image.Image:
    """112 x 112 px with a face where scikit-image is there to give one, else without."""
    try:
        from skimage.data import astronaut
    except ImportError:
        y, x = np.mgrid[:112, :112]
        return Image.fromarray(np.stack([2 * x, 2 * y, x + y], axis=2).astype(np.uint8))
    return Image.fromarray(astronaut()[:224, 110:334]).resize((112, 112), Image.Resampling.LANCZOS)


def originals() -> list[tuple[str, list[bytes]]]:
    found, photo = [], face_photo()
    for name, variants in FORMATS.items():
        contents = []
        for variant in variants:
            options, image, buffer = dict(variant), photo, io.BytesIO()
            if options.pop("palette", False):
                image = photo.quantize(64)
            if options.get("save_all"):
                options["append_images"] = [photo.rotate(90)]
            image.save(buffer, name, **options)
            contents.append(buffer.getvalue())
        found.append((name, contents))
    return found


def mutated(contents: list[bytes], other: bytes, rng: np.random.Generator) -> bytes:
    """One of the contents, damaged in one of eight ways. other: a file of another format, to splice with."""
    data = bytearray(contents[int(rng.integers(len(contents)))])
    length = len(data)
    at = int(rng.integers(length))
    header = int(rng.integers(min(512, length - 4)))
    kind = int(rng.integers(8))
    if kind == 0:
        del data[at:]
    elif kind == 1:
        for _ in range(int(rng.integers(1, 20))):
            data[int(rng.integers(length))] ^= 1 << int(rng.integers(8))
    elif kind == 2:
        for _ in range(int(rng.integers(1, 6))):
            data[int(rng.integers(min(64, length)))] = int(rng.integers(256))
    elif kind == 3:  # a field of the header
        form = ("<H", ">H", "<I", ">I")[int(rng.integers(4))]
        word = WORDS[int(rng.integers(len(WORDS)))] & (0xFFFF if form[1] == "H" else 0xFFFFFFFF)
        struct.pack_into(form, data, header, word)
    elif kind == 4:
        del data[at : at + int(rng.integers(1, 200))]
    elif kind == 5:
        data[at:at] = data[at : at + int(rng.integers(1, 200))]
    elif kind == 6:  # two files, one after the other within
        tail = contents[int(rng.integers(len(contents)))] if rng.integers(2) else other
        data[at:] = tail[int(rng.integers(len(tail))) :]
    else:
        data[at : at + int(rng.integers(1, 300))] = bytes(rng.integers(0, 256, int(rng.integers(1, 300)), np.uint8))
    return bytes(data)


def run(count: int, first: int = 0) -> dict:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    artist = Artist("ink")
    files = originals()
    counts = {name: {"drawn": 0, "refused": 0} for name, _ in files}
    result: dict = {"count": count, "slowest_s": 0.0, "slowest_cpu_s": 0.0, "formats": counts, "wrong": []}
    for number in range(first, first + count):
        name, contents = files[number % len(files)]
        rng = np.random.default_rng(number)
        content = mutated(contents, files[int(rng.integers(len(files)))][1][0], rng)
        start, start_cpu = time.perf_counter(), time.process_time()
        try:
            drawing = artist.draw_pixels(read_photo(content).pixels)
            assert drawing.dtype == np.uint8 and drawing.size > 0
            counts[name]["drawn"] += 1
        except Error as error:
            if not str(error).startswith(("<", "image", "picture is empty")):
                result["wrong"].append(f"{number}: message without a name: {error}")
            counts[name]["refused"] += 1
        except Exception as error:
            result["wrong"].append(f"{number}: {type(error).__name__}: {error}")
        wall, cpu = time.perf_counter() - start, time.process_time() - start_cpu
        if wall > result["slowest_s"]:
            result |= {"slowest_s": round(wall, 3), "slowest": number}
        result["slowest_cpu_s"] = round(max(cpu, result["slowest_cpu_s"]), 3)
    result["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return result


if __name__ == "__main__":
    outcome = run(int(sys.argv[1]), *map(int, sys.argv[2:3]))
    print(json.dumps(outcome))
    sys.exit(1 if outcome["wrong"] else 0)
