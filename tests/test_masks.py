"""The person mask: of whole pictures of any size, with small people looked at again, and its answers on portraits."""

import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pyapdraw import faces, weights
from pyapdraw.errors import BadInput, WeightsError
from pyapdraw.faces import masks
from pyapdraw.faces.masks import PersonMask, photo_box
from pyapdraw.ops import composite


@pytest.fixture(scope="module")
def segment():
    return PersonMask()


@pytest.fixture(scope="module")
def astronaut():
    return np.ascontiguousarray(pytest.importorskip("skimage.data").astronaut())


FACE = np.array([[202, 98], [246, 101], [224, 123], [203, 141], [243, 143]], float)  # the astronaut's


def noise(height, width=None, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width or height, 3), dtype=np.uint8)


def overlap(a, b):
    a, b = a >= 128, b >= 128
    return (a & b).sum() / max((a | b).sum(), 1)


def test_a_person_is_cut_out(segment, astronaut):
    mask = segment(astronaut)
    assert mask.shape == (512, 512) and mask.dtype == np.uint8
    assert mask[60:130, 190:255].min() > 200 and mask[400:500, 60:250].min() > 128
    assert mask[:40, :60].max() < 30 and mask[20:120, 420:].max() < 30
    np.testing.assert_array_equal(faces.person_mask(astronaut), mask)


@pytest.mark.parametrize("known", [(), (FACE,)])
@pytest.mark.parametrize("corner", [(0, 0), (900, 1500), (300, 700)])
def test_a_small_person_is_looked_at_again(segment, astronaut, known, corner):
    """A sixteenth of a wide picture: as good as by itself, up to what its own picture's border hides."""
    page = np.full((1412, 2012, 3), (120, 140, 120), np.uint8)
    y, x = corner
    alone = segment(astronaut)
    part = page[y : y + 512, x : x + 512]
    composite(astronaut, alone, part.copy(), out=part)
    mask = segment(page, [points + np.array([x, y]) for points in known])
    assert overlap(mask[y : y + 512, x : x + 512], alone) > 0.9
    mask[y : y + 512, x : x + 512] = 0
    assert (mask >= 128).mean() < 0.003


def test_groups_are_looked_at_together_and_far_people_apart(monkeypatch, segment, astronaut):
    looks = []
    network = segment._network
    monkeypatch.setattr(segment, "_network", lambda part, below: looks.append(part.shape[:2]) or network(part, below))
    page = np.full((600, 4000, 3), 128, np.uint8)
    near = [FACE * 0.3 + np.array([x, 200]) for x in (200, 260, 3500)]
    segment(page, near)
    assert len(looks) == 5 and looks[0] == (600, 4000)
    looks.clear()
    segment(page, [FACE * 0.3 + np.array([x, 200]) for x in range(100, 3900, 300)])
    assert len(looks) <= 1 + 2 * masks.MOST_LOOKS
    looks.clear()
    segment(astronaut, [FACE])
    assert len(looks) == 1, "a person who fills the picture is seen once"


@settings(max_examples=25, deadline=None)
@given(height=st.integers(1, 300), width=st.integers(1, 300), seed=st.integers(0, 99))
def test_any_size(segment, height, width, seed):
    pixels = noise(height, width, seed)
    mask = segment(pixels, [np.array([[30, 40], [60, 40], [45, 55], [33, 70], [57, 70]], float)])
    assert mask.shape == (height, width) and mask.dtype == np.uint8


@pytest.mark.parametrize("value", [0, 128, 255])
def test_flat_picture_has_nobody(segment, value):
    assert segment(np.full((64, 90, 3), value, np.uint8)).max() < 128


def test_white_beyond_the_photo_is_told_from_white_walls():
    pixels = np.full((60, 80, 3), 255, np.uint8)
    assert photo_box(pixels) == (0, 0, 80, 60)
    pixels[10:50, 20:70] = 90
    assert photo_box(pixels) == (20, 10, 70, 50)
    pixels[0, 0] = pixels[0, -1] = pixels[-1, 0] = pixels[-1, -1] = 254
    assert photo_box(pixels) == (0, 0, 80, 60)


def test_view_is_read_as_it_looks_and_left_alone(segment):
    wide = noise(200, 220)
    before = wide.copy()
    np.testing.assert_array_equal(segment(wide[::-1, ::2][:100]), segment(wide[::-1, ::2][:100].copy()))
    np.testing.assert_array_equal(wide, before)


def test_thread_count_and_threads_do_not_change_a_bit(segment):
    pictures = [noise(160, seed=seed) for seed in range(6)]
    single = PersonMask(threads=1)
    expected = [single(picture) for picture in pictures]
    found = [None] * len(pictures)

    def work(first):
        for i in range(first, len(pictures), 2):
            found[i] = segment(pictures[i])

    workers = [threading.Thread(target=work, args=(first,)) for first in (0, 1)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    for a, b in zip(found, expected):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((8, 8, 3), np.float32),
        np.zeros((8, 8), np.uint8),
        np.zeros((8, 8, 4), np.uint8),
        np.zeros((0, 0, 3), np.uint8),
        "crop.png",
    ],
)
def test_other_input_is_refused(segment, wrong):
    with pytest.raises(BadInput, match="pixels"):
        segment(wrong)


def test_missing_weights_are_reported(monkeypatch):
    def missing(name):
        raise WeightsError(f"weights {name!r} are not shipped")

    monkeypatch.setattr(weights, "load", missing)
    with pytest.raises(WeightsError, match="selfie"):
        PersonMask()


def test_portraits(segment, shared_dir):
    """IoU with the given masks, of which three leave out flowers that belong to the person."""
    folder = shared_dir / "data" / "portraits"
    scores = {}
    for path in sorted((folder / "photo").glob("*.png")):
        pixels = np.asarray(Image.open(path).convert("RGB"))
        scores[path.stem] = overlap(segment(pixels), np.asarray(Image.open(folder / "mask" / path.name).convert("L")))
    assert len(scores) == 22
    assert np.mean(list(scores.values())) >= 0.95, scores
    assert min(scores.values()) >= 0.80, scores
    assert sorted(scores.values())[3] >= 0.92, scores


def test_nobody_in_the_white_around_a_photo(segment, shared_dir):
    """Alignment leaves white beyond the photo's border; img_1673 has some at both sides."""
    path = shared_dir / "data" / "pairs" / "photo" / "img_1673.png"
    mask = segment(np.asarray(Image.open(path).convert("RGB")))
    assert mask[:300, :40].max() < 64 and mask[:300, 475:].max() < 64
    assert mask[150:370, 160:360].min() > 192
