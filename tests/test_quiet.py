"""quiet: what libraries have to say about damaged pictures stays off stderr, and their settings as they were."""

import json
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image

from pyapdraw.media.quiet import quiet_pillow

ROOT = Path(__file__).resolve().parents[1]

_DAMAGED = """
import io, json, sys
sys.path.insert(0, "tests")
from cases_photo import encoded
from fuzz_pictures import mutated
import numpy as np
from PIL import Image
from pyapdraw.errors import Error
from pyapdraw.media.kinds import what_is
from pyapdraw.media.photo import encode_image, read_photo
warned = encoded("PNG", image=Image.new("1", (10000, 9000)))  # above the size that Pillow warns of
sources = [[encoded("TIFF", compression=c)] for c in ("tiff_lzw", "tiff_adobe_deflate", "packbits", "raw")]
sources += [[encoded("TIFF", image=Image.new("1", (64, 64)), compression="group4")], [encoded("PNG", pictures=2)]]
refused = 0
for number in range(600):
    content = mutated(sources[number % len(sources)], warned, np.random.default_rng(number))
    try:
        what_is(content)
        read_photo(content)
    except Error:
        refused += 1
many_samples = bytearray(sources[0][0])
at = many_samples.index(b"\\x15\\x01\\x03\\x00")
many_samples[at + 8 : at + 10] = b"\\xff\\xff"
gif = bytearray(encoded("GIF"))
gif[6:10] = b"\\xff\\xff\\x00\\x08"
for content in (warned, bytes(many_samples), bytes(gif)):
    try:
        what_is(content)
        read_photo(content)
        print("read", content[:20])
    except Error:
        refused += 1
print(json.dumps(refused))
"""


def test_no_text_of_libraries_on_stderr():
    done = subprocess.run(
        [sys.executable, "-c", _DAMAGED], capture_output=True, text=True, cwd=ROOT, timeout=240, check=False
    )
    assert done.returncode == 0 and done.stderr == "", done.stderr[-3000:]
    assert json.loads(done.stdout.splitlines()[-1]) > 200


def test_settings_of_the_process_come_back():
    before, limit = list(warnings.filters), Image.MAX_IMAGE_PIXELS
    with quiet_pillow(10**9):
        with quiet_pillow():
            assert Image.MAX_IMAGE_PIXELS == 10**9
        assert warnings.filters != before and Image.MAX_IMAGE_PIXELS == 10**9
    assert warnings.filters == before and limit == Image.MAX_IMAGE_PIXELS

    def read(number):
        with quiet_pillow(10**9):
            return Image.MAX_IMAGE_PIXELS

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(read, range(200))) == {10**9}
    assert warnings.filters == before and limit == Image.MAX_IMAGE_PIXELS


def test_warnings_of_others_are_still_heard():
    with quiet_pillow(), pytest.warns(UserWarning, match="mine"):
        warnings.warn("mine", UserWarning, stacklevel=1)
