"""The person mask: the native network equals its definitions, and its answers hold up on portraits."""

import threading

import numpy as np
import pytest
import reference_person_mask as reference
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pyapdraw import weights
from pyapdraw.errors import BadInput, WeightsError
from pyapdraw.faces.person_mask import VOTE_MOST, PersonMask, colour_votes


@pytest.fixture(scope="module")
def segment():
    return PersonMask()


def noise(side_px, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (side_px, side_px, 3), dtype=np.uint8)


@pytest.mark.parametrize("side_px", [128, 256, 512])
def test_logits_equal_the_float64_definition(segment, side_px):
    pixels = noise(side_px, side_px)
    pixels[: side_px // 2] //= 3
    expected = reference.person_logits(pixels, weights.load("person_mask"))
    assert np.ptp(expected) > 1
    np.testing.assert_allclose(segment.logits(pixels), expected, atol=1e-3, rtol=1e-4)


def test_logits_equal_the_trained_network(monkeypatch):
    """Batch normalisation folded into the convolutions gives what the training network gives."""
    torch = pytest.importorskip("torch")
    from pyapdraw.training.shipped import person_mask as training

    torch.manual_seed(0)
    net = training.PersonNet()
    for part in net.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(part.running_mean, -0.5, 0.5)
            torch.nn.init.uniform_(part.running_var, 0.5, 2)
            torch.nn.init.uniform_(part.weight, 0.5, 2)
            torch.nn.init.uniform_(part.bias, -0.5, 0.5)
    net.eval()
    tensors = training.folded(net, np.float32)
    monkeypatch.setattr(weights, "load", lambda name: tensors)
    pixels = noise(256)
    small = torch.from_numpy(pixels.transpose(2, 0, 1).astype(np.float32) / 255)[None]
    with torch.no_grad():
        expected = net(torch.nn.functional.avg_pool2d(small, 2))[0, 0].numpy()
    np.testing.assert_allclose(PersonMask().logits(pixels), expected, atol=1e-3, rtol=1e-3)


@settings(max_examples=25, deadline=None)
@given(side_px=st.integers(1, 300), seed=st.integers(0, 99))
def test_any_side(segment, side_px, seed):
    pixels = noise(side_px, seed)
    mask = segment(pixels)
    assert mask.shape == (side_px, side_px) and mask.dtype == np.uint8
    np.testing.assert_array_equal(mask, segment(pixels))


@pytest.mark.parametrize("value", [0, 128, 255])
def test_flat_picture_has_an_answer(segment, value):
    mask = segment(np.full((64, 64, 3), value, np.uint8))
    assert mask.shape == (64, 64)


def test_colours_of_the_sure_decide_the_unsure():
    """Left sure person and red, right sure background and blue; the unsure middle goes by its colour."""
    logits = np.zeros((24, 24), np.float32)
    logits[:, :8], logits[:, 16:] = 9, -9
    photo = np.full((24, 24, 3), -0.9, np.float32)
    photo[:12, :, 0] = 0.9
    photo[12:, :, 2] = 0.9
    photo[:, :8], photo[:, 16:] = (0.9, -0.9, -0.9), (-0.9, -0.9, 0.9)
    votes = colour_votes(logits, photo)
    assert votes[2:10, 10:14].min() > 2 and votes[14:22, 10:14].max() < -2
    assert np.abs(votes).max() <= VOTE_MOST
    np.testing.assert_array_equal(colour_votes(logits, np.zeros_like(photo)), 0)  # one colour for all: no vote


def test_view_is_read_as_it_looks(segment):
    wide = noise(200)
    np.testing.assert_array_equal(segment(wide[::-1, ::2][:100]), segment(wide[::-1, ::2][:100].copy()))


def test_input_is_left_alone(segment):
    pixels = noise(96)
    before = pixels.copy()
    segment(pixels)
    np.testing.assert_array_equal(pixels, before)


def test_thread_count_and_threads_do_not_change_a_bit(segment):
    pictures = [noise(160, seed) for seed in range(6)]
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
        np.zeros((8, 9, 3), np.uint8),
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
    with pytest.raises(WeightsError, match="person_mask"):
        PersonMask()


def test_portraits(segment, shared_dir):
    """Portraits of the training set, and the one that is not in it; the honest figures are in the model card."""
    folder = shared_dir / "data" / "portraits"
    scores = {}
    for path in sorted((folder / "photo").glob("*.png")):
        pixels = np.asarray(Image.open(path).convert("RGB"))
        truth = np.asarray(Image.open(folder / "mask" / path.name).convert("L"))
        scores[path.stem] = reference.overlap(segment(pixels), truth)
    assert len(scores) == 22
    assert np.mean(list(scores.values())) >= 0.96, scores
    assert min(scores.values()) >= 0.88, scores
    assert scores["fconrad_Portrait_060414a"] >= 0.95


def test_nobody_in_the_white_around_a_photo(segment, shared_dir):
    """Alignment leaves white beyond the photo's border; img_1673 has some at both sides."""
    path = shared_dir / "data" / "pairs" / "photo" / "img_1673.png"
    pixels = np.asarray(Image.open(path).convert("RGB"))
    mask = segment(pixels)
    assert mask[:300, :40].max() < 64 and mask[:300, 475:].max() < 64
    assert mask[150:370, 160:360].min() > 192
