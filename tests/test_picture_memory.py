"""What a picture costs is bounded by its pixels, and what there is no memory for is that picture's error."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]
BYTES_PER_PIXEL, BASE_MB = 40, 200

_DRAW = """
import io, json, resource, sys, time
import numpy as np
from PIL import Image
from pyapdraw.artist import Artist
from pyapdraw.media.photo import read_photo
kind, width, height = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))
artist = Artist("ink", no_face="pass")
artist.draw_pixels(np.zeros((64, 64, 3), np.uint8))

def memory_mb(name):
    return int(next(line for line in open("/proc/self/status") if line.startswith(name)).split()[1]) / 1024

buffer = io.BytesIO()
if kind == "gif":
    Image.new("P", (width, height)).save(buffer, "GIF")
else:
    image = Image.new("RGB", (width, height), "white")
    lines = np.full((height, max(1, width // 2), 3), 255, np.uint8)
    lines[::20, ::3] = 40
    image.paste(Image.fromarray(lines), (0, 0))
    if kind == "face":
        from skimage.data import astronaut
        image.paste(Image.fromarray(astronaut()), (width // 3, height * 2 // 3))
    image.save(buffer, "PNG", compress_level=1)
open("/proc/self/clear_refs", "w").write("5")  # the peak begins anew
before, start = memory_mb("VmRSS"), time.process_time()
pixels = read_photo(buffer.getvalue()).pixels
faces = artist.faces(pixels)
drawing = artist.draw_pixels(pixels, faces)
assert drawing.shape[:2] == (height, width)
points = [face.landmarks_px.tolist() for face in faces]
print(json.dumps([memory_mb("VmHWM") - before, time.process_time() - start, points]))
"""


def drawn(kind, width, height):
    if not os.access("/proc/self/clear_refs", os.W_OK):
        pytest.skip("memory is read the Linux way")
    command = [sys.executable, "-c", _DRAW, kind, str(width), str(height)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=240, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    grown_mb, cpu_s, points = json.loads(done.stdout)
    assert grown_mb * 1e6 <= BYTES_PER_PIXEL * width * height + BASE_MB * 1e6, grown_mb
    assert cpu_s < 15
    return points


@pytest.mark.parametrize(
    "kind, width, height",
    [("text", 10000, 4), ("text", 30000, 4), ("text", 3, 65000), ("text", 500, 9000), ("gif", 160, 29344)],
)
def test_memory_of_long_pictures(kind, width, height):
    assert drawn(kind, width, height) == []


@pytest.mark.parametrize("width, height", [(1080, 15000), (9000, 700)])
def test_a_face_in_a_long_picture_is_found(width, height):
    pytest.importorskip("skimage.data")
    (points,) = drawn("face", width, height)
    expected = np.array([[205, 102], [247, 104], [225, 129], [202, 139], [245, 142]])
    np.testing.assert_allclose(np.array(points) - [width // 3, height * 2 // 3], expected, atol=4)


_SHORT = """
import json, resource, sys
import numpy as np
from cases_images import smooth_noise
from pyapdraw.artist import Artist
from pyapdraw.errors import BadInput
try:
    from skimage.data import astronaut
    pixels = astronaut()
except ImportError:
    pixels = smooth_noise(512, 512)
artist = Artist("ink")
here = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
soft, hard = resource.getrlimit(resource.RLIMIT_AS)
answers = []
for megabytes in (0, 1, 4, 9, 14, 20, 30, 250):
    resource.setrlimit(resource.RLIMIT_AS, (here + (megabytes << 20), hard))
    try:
        drawing = artist.draw_pixels(pixels)
        answers.append("drawn")
    except BadInput as error:
        answers.append(str(error))
resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
assert np.array_equal(drawing, Artist("ink").draw_pixels(pixels))
print(json.dumps(answers))
"""


def test_too_little_memory_is_an_error_of_the_picture():
    """From next to nothing to enough: arrays, native scratch memory, new threads and OpenBLAS's buffer are refused in
    turn, and the same Artist draws as ever when there is memory again."""
    command = [sys.executable, "-c", _SHORT]
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}", "PYAPDRAW_THREADS": "3"}
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=120, check=False, env=environment)
    assert done.returncode == 0, done.stderr[-2000:]
    answers = json.loads(done.stdout)
    assert answers[-1] == "drawn"
    assert all("image: 512 x 512 px do not fit into memory" in answer for answer in answers[:2]), answers
    assert all(answer == "drawn" or "do not fit into memory" in answer for answer in answers), answers
