"""Artist: pickled, copied and sent to other processes; the copies draw the same."""

import copy
import multiprocessing
import os
import pickle
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pytest

from pyapdraw import models, weights
from pyapdraw.artist import Artist
from pyapdraw.errors import BadInput, WeightsError

OPTIONS = {"faces": "largest", "background": "photo", "max_pixels": 1000}


@pytest.fixture(scope="module")
def photo():
    return pytest.importorskip("skimage.data").astronaut()[40:240, 120:320].copy()


@pytest.mark.parametrize("style", ["ink", "apdrawing"])
def test_copies_are_like_the_original(photo, style):
    artist = Artist(style, device="cpu", **OPTIONS)
    expected = artist.draw_pixels(photo)
    for other in (pickle.loads(pickle.dumps(artist)), copy.copy(artist), copy.deepcopy(artist)):
        assert (other.style_name, other.plan, other.options) == (artist.style_name, artist.plan, artist.options)
        np.testing.assert_array_equal(other.draw_pixels(photo), expected)
        with pytest.raises(BadInput, match="max_pixels"):
            other.with_options(max_pixels=0)
    changed = pickle.loads(pickle.dumps(artist.with_options(no_face="error")))
    assert changed.options.no_face == "error" and changed.options.faces == "largest"


def test_copies_are_cheap():
    artist = Artist("apdrawing")
    assert len(pickle.dumps(artist)) < 1000
    assert copy.copy(artist).style is artist.style
    start = time.process_time()
    for _ in range(5):
        pickle.loads(pickle.dumps(artist))
    assert time.process_time() - start < 1.0


def test_given_weights_are_read_again(tmp_path, photo):
    path = tmp_path / "mine.safetensors"
    held = weights.find("apdrawing")
    weights.write(path, held)
    artist = Artist("apdrawing", weights=path)
    pickled = pickle.dumps(artist)
    other = pickle.loads(pickled)
    assert other.options.weights == path
    np.testing.assert_array_equal(other.draw_pixels(photo), artist.draw_pixels(photo))
    path.unlink()
    with pytest.raises(WeightsError):
        pickle.loads(pickled)


def draw(artist, photo):
    return artist.draw_pixels(photo)


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_process_pools(photo, method):
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"no {method} on this system")
    artist = Artist("ink")
    expected = artist.draw_pixels(photo)  # with threads that a forked child has not
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context(method)) as pool:
        for drawing in pool.map(draw, [artist] * 4, [photo] * 4, timeout=120):
            np.testing.assert_array_equal(drawing, expected)


FORKED = """
import os, signal, sys, numpy as np, pyapdraw
artist = pyapdraw.Artist("apdrawing", weights=sys.argv[1], aligned=True)
photo = np.random.default_rng(0).integers(0, 256, (512, 512, 3), np.uint8)
expected = artist.draw(photo)
child = os.fork()
if child == 0:
    signal.alarm(60)
    off = np.abs(artist.draw(photo).astype(int) - expected)
    os._exit(int(off.max() > 1))  # sums of other numbers of threads are rounded otherwise
sys.exit(os.waitpid(child, 0)[1] != 0)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are not forked here")
def test_the_papers_network_draws_in_a_forked_process(tmp_path):
    """Its threads stay behind in the parent."""
    pytest.importorskip("torch", reason="the paper's network runs in torch")
    net = models.create("apdrawing", ngf=8, levels=6)
    tensors = {name: value.numpy() for name, value in net.state_dict().items()}
    path = tmp_path / "wide.safetensors"
    weights.write(path, weights.Weights("apdrawing", "generator", {"ngf": 8, "levels": 6}, tensors))
    subprocess.run([sys.executable, "-c", FORKED, str(path)], check=True, timeout=120)
