"""Artist: pickled, copied and sent to other processes; the copies draw the same."""

import copy
import multiprocessing
import pickle
import time
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pytest

from pyapdraw import weights
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
