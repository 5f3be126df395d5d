import copy_to_device
import numpy as np
import pytest
import reference_crop as reference
from hypothesis import given, settings
from hypothesis import strategies as st

from pyapdraw import _C
from pyapdraw.errors import BadInput


def image_of(h, w, c, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (h, w, c), np.uint8)


@settings(max_examples=1000, deadline=None)
@given(
    st.integers(1, 40), st.integers(1, 40), st.sampled_from([1, 2, 3]), st.integers(1, 12),
    st.integers(1, 12), st.data(),
)  # fmt: skip
def test_crop_area_is_its_definition(h, w, c, height, width, data):
    """Any box, also smaller than the crop, from a strided image into a strided output."""
    room = np.zeros((2 * h, w + 3, c + 2), np.uint8)
    image = room[::2, 2 : 2 + w, 1 : 1 + c]
    image[:] = image_of(h, w, c)
    x0, y0 = data.draw(st.integers(0, w - 1)), data.draw(st.integers(0, h - 1))
    boxes = [[0, 0, w, h], [x0, y0, data.draw(st.integers(x0 + 1, w)), data.draw(st.integers(y0 + 1, h))]]
    target = np.full((2, height + 1, width + 1, c + 1), -7.0, np.float32)
    out = target[:, 1:, 1:, 1:]
    _C.crop_area(image, np.array(boxes, np.int32), out, 127.5, 1 / 128)
    expected = [(reference.crop_area(image, box, height, width) - 127.5) / 128 for box in boxes]
    np.testing.assert_allclose(out, expected, rtol=0, atol=1e-6)
    out[:] = -7
    assert (target == -7).all()


def test_crop_area_sums_tall_windows_exactly():
    image = np.full((1000, 700, 3), 255, np.uint8)
    out = np.empty((1, 1, 2, 3), np.float32)
    _C.crop_area(image, np.array([[0, 0, 700, 1000]], np.int32), out)
    assert (out == 255).all()


@settings(max_examples=1000, deadline=None)
@given(
    st.integers(1, 20), st.integers(1, 20), st.sampled_from([1, 3]), st.floats(0.2, 6), st.floats(-3.2, 3.2),
    st.booleans(), st.booleans(),
)  # fmt: skip
def test_crop_warp_is_its_definition(h, w, c, scale, angle, mirrored, floats):
    image = image_of(h, w, c)
    image = image.astype(np.float32) / 255 if floats else image
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    turn[:, 0] *= -1 if mirrored else 1
    maps = np.array([np.c_[turn, [w / 2 + 0.1371, h / 3 + 0.2913]], np.c_[turn, [-3.1173, 2.7391]]])
    out = np.empty((2, 5, 6, c), np.float32)
    _C.crop_warp(image, maps, out, 2.0, 0.5)
    expected = np.array([(reference.crop_warp(image, m, 5, 6, 2.0) - 2.0) * 0.5 for m in maps])
    # Points within rounding of the image's edge may fall on either side of it.
    wrong = ~np.isclose(out, expected, rtol=0, atol=2e-3 if not floats else 1e-4)
    assert wrong.mean() <= 0.05


def test_crop_warp_identity_and_half_turn_are_exact():
    image = image_of(48, 48, 3)
    maps = np.array([[[1.0, 0, 0], [0, 1, 0]], [[-1, 0, 47], [0, -1, 47]]])
    out = np.empty((2, 48, 48, 3), np.float32)
    _C.crop_warp(image, maps, out)
    assert np.array_equal(out[0], image) and np.array_equal(out[1], image[::-1, ::-1])
    again = np.empty_like(out)
    _C.crop_warp(image, maps, again, ctx=_C.Context(3))
    assert np.array_equal(out, again)


@settings(max_examples=1000, deadline=None)
@given(
    st.integers(0, 40),
    st.sampled_from([0.0, 1.0]),
    st.booleans(),
    st.sampled_from([0.3, 0.5, 0.7]),
    st.integers(0, 999),
)
def test_nms_is_its_definition(n, side, minimum, threshold, seed):
    rng = np.random.default_rng(seed)
    corner = rng.integers(0, 30, (n, 2))
    boxes = np.concatenate([corner, corner + rng.integers(1, 20, (n, 2))], 1).astype(np.float32)
    keep = np.empty(n, np.bool_)
    _C.nms(boxes, keep, threshold + 1e-4, side, minimum)
    assert keep.tolist() == reference.nms(boxes, threshold + 1e-4, side, minimum)


@pytest.mark.parametrize("box", [(0, 0, 0, 5), (-1, 0, 3, 3), (0, 0, 11, 3), (0, 4, 3, 3), (0, 0, 3, 11)])
def test_crop_area_refuses_boxes_outside(box):
    with pytest.raises(BadInput, match=r"boxes: row 0"):
        _C.crop_area(image_of(10, 10, 3), np.array([box], np.int32), np.empty((1, 2, 2, 3), np.float32))


@pytest.fixture
def on_device():
    """The native module with its arrays in memory of a device."""
    if _C.cpu_backends() == ["emulated"]:
        pytest.importorskip("torch", reason="their memory is held as torch tensors")
        return copy_to_device.DeviceCopies(_C, "cpu", lent=True)
    if not getattr(_C, "lends", False):
        pytest.skip("needs --device cuda, or the emulated module, under which test_emulated.py runs it")
    return _C


BOXES = [(0, 0, 0, 5), (-1, 0, 3, 3), (0, 0, 11, 3), (0, 4, 3, 3), (0, 0, 3, 11), (-7, -9, 90, 80), (12, 2, 15, 5),
         (2, -6, 5, 0), (-2147483648, -2147483648, 2147483647, 2147483647), (2, 3, 8, 9)]  # fmt: skip


def test_on_a_device_boxes_are_cut_to_the_image_and_give_zeros_without_pixels(on_device):
    """Values there are not read back, so none is refused."""
    image = image_of(10, 10, 3)
    out = np.full((len(BOXES), 2, 3, 3), 7, np.float32)
    on_device.crop_area(image, np.array(BOXES, np.int32), out, 127.5, 1 / 128)
    for (x0, y0, x1, y1), got in zip(BOXES, out, strict=True):
        box = (max(x0, 0), max(y0, 0), min(x1, 10), min(y1, 10))
        if box[0] >= box[2] or box[1] >= box[3]:
            assert (got == 0).all()
        else:
            np.testing.assert_allclose(got, (reference.crop_area(image, box, 2, 3) - 127.5) / 128, rtol=0, atol=1e-6)


def test_wrong_arguments_are_named():
    image, out = image_of(9, 9, 3), np.empty((1, 4, 4, 3), np.float32)
    with pytest.raises(BadInput, match="boxes: dtype int64"):
        _C.crop_area(image, np.zeros((1, 4), np.int64), out)
    with pytest.raises(BadInput, match="out: shape"):
        _C.crop_area(image, np.zeros((2, 4), np.int32), out)
    with pytest.raises(BadInput, match="to_image: shape"):
        _C.crop_warp(image, np.zeros((1, 3, 2)), out)
    with pytest.raises(BadInput, match="1 or 3 channels"):
        _C.crop_warp(image_of(9, 9, 2), np.zeros((1, 2, 3)), np.empty((1, 4, 4, 2), np.float32))
    with pytest.raises(BadInput, match="keep: shape"):
        _C.nms(np.zeros((3, 4), np.float32), np.zeros(2, np.bool_), 0.5)
