"""Folders of portraits in both layouts: what is read, what is made, and what is named as wrong; then random samples."""

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("torch", reason="training needs torch")

from pyapdraw import align
from pyapdraw.data import augment, portraits
from pyapdraw.errors import BadInput
from pyapdraw.training import apdrawing_data as data

SIDE = 64


def face(side=SIDE, seed=0):
    """A photo with soft blobs, a drawing, a mask and landmarks (1-based, whole numbers) of an aligned portrait."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side]
    photo = np.clip(120 + 60 * np.sin(x / 7 + seed) + 40 * np.cos(y / 5) + random.normal(0, 5, (side, side)), 0, 254)
    photo = np.repeat(photo[..., None], 3, 2).astype(np.uint8)
    drawing = np.where((x // 8 + y // 8) % 3 == 0, 0, 255).astype(np.uint8)
    mask = np.where((x - side / 2) ** 2 + (y - side / 2) ** 2 < (0.45 * side) ** 2, 255, 0).astype(np.uint8)
    return photo, drawing, mask, np.rint(align.template(side) + 1).astype(int)


def save(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def points(path, values):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{x} {y}\n" for x, y in values))


def plain(root, names=("a", "b"), photo="photo", drawing="drawing", suffix=".png"):
    for seed, name in enumerate(names):
        pixels, drawn, mask, landmarks = face(seed=seed)
        save(root / photo / f"{name}{suffix}", pixels)
        save(root / drawing / f"{name}.png", drawn)
        save(root / "masks" / f"{name}.png", mask)
        points(root / "landmarks" / f"{name}.txt", landmarks)
    return root


def published(root, names=("a", "b")):
    for seed, name in enumerate(names):
        pixels, drawn, mask, landmarks = face(seed=seed)
        save(root / "train" / f"{name}.png", np.hstack([pixels, np.repeat(drawn[..., None], 3, 2)]))
        save(root / "mask" / "ALL" / f"{name}.png", mask)
        points(root / "landmark" / "ALL" / f"{name}.txt", landmarks)
    return root


@pytest.mark.parametrize("layout", [plain, published])
def test_both_layouts_give_the_same_portraits(tmp_path, layout):
    items = portraits.find(layout(tmp_path))
    assert [item.name for item in items] == ["a", "b"] and all(item.drawn for item in items)
    for seed, item in enumerate(items):
        photo, drawing, mask, landmarks = face(seed=seed)
        read = portraits.Reader(SIDE)(item)
        np.testing.assert_array_equal(read.pixels, photo)
        np.testing.assert_array_equal(read.drawing, drawing)
        np.testing.assert_array_equal(read.mask, mask)
        np.testing.assert_array_equal(read.landmarks_px, landmarks - 1)  # 0-based
        assert np.array_equal(align.official_landmarks(read.landmarks_px), landmarks)


def test_a_phase_alone_finds_what_lies_above_it(tmp_path):
    published(tmp_path)
    items = portraits.find(tmp_path / "train")
    assert [item.landmarks.name for item in items] == ["a.txt", "b.txt"] and items[0].mask.parent.name == "ALL"


def test_other_names_and_suffixes(tmp_path):
    plain(tmp_path, photo="photos", drawing="drawings", suffix=".jpeg")
    items = portraits.find(tmp_path)
    assert [item.photo.name for item in items] == ["a.jpeg", "b.jpeg"] and all(item.drawing for item in items)


def test_another_size_moves_the_points_with_the_pixels(tmp_path):
    item = portraits.find(plain(tmp_path))[0]
    small, large = portraits.Reader(32)(item), portraits.Reader(128)(item)
    assert small.pixels.shape == (32, 32, 3) and small.mask.shape == small.drawing.shape == (32, 32)
    np.testing.assert_allclose((large.landmarks_px + 0.5) / 4, small.landmarks_px + 0.5)


def test_what_is_missing_is_made(shared_dir):
    """A photo alone: its face is found, it is aligned, the person is masked."""
    photo = shared_dir / "data" / "raw" / "img_1701.jpg"
    read = portraits.Reader(256)(portraits.Item("img_1701", photo))
    assert read.pixels.shape == (256, 256, 3) and read.drawing is None
    assert np.abs(read.landmarks_px - align.template(256)).max() < 8
    assert 0.2 < (read.mask >= 128).mean() < 0.95


def test_pairs_without_landmarks_are_aligned_together(shared_dir):
    items = portraits.find(shared_dir / "data" / "pairs")
    assert len(items) == 4 and list(portraits.problems(shared_dir / "data" / "pairs")) == []
    read = portraits.Reader(512)(items[0])
    np.testing.assert_array_equal(read.pixels, np.asarray(Image.open(items[0].photo).convert("RGB")))


# -- what is wrong ----------------------------------------------------------------------------------------------------


def spoil(root, how):
    name, _, landmarks = "a", None, face()[3]
    if how == "no drawing":
        (root / "drawing" / "a.png").unlink()
    elif how == "misnamed drawing":
        (root / "drawing" / "a.png").rename(root / "drawing" / "a_drawing.png")
    elif how == "wrong size":
        save(root / "drawing" / "a.png", np.zeros((32, 64), np.uint8))
    elif how == "coloured mask":
        mask = np.zeros((SIDE, SIDE, 3), np.uint8)
        mask[..., 1] = 200
        save(root / "masks" / "a.png", mask)
    elif how == "empty mask":
        save(root / "masks" / "a.png", np.zeros((SIDE, SIDE), np.uint8))
    elif how == "swapped eyes":
        points(root / "landmarks" / "a.txt", landmarks[[1, 0, 2, 3, 4]])
    elif how == "outside":
        points(root / "landmarks" / "a.txt", [*landmarks[:4], (SIDE + 9, 40)])
    elif how == "four lines":
        points(root / "landmarks" / "a.txt", landmarks[:4])
    elif how == "words":
        (root / "landmarks" / "a.txt").write_text("left eye\n")
    elif how == "no photo":
        (root / "photo" / "a.png").unlink()
    elif how == "two photos":
        save(root / "photo" / "a.jpg", face()[0])
    elif how == "damaged photo":
        (root / "photo" / "a.png").write_bytes(b"\x89PNG\r\n\x1a\nno more")
    elif how == "not square":
        save(root / "photo" / "a.png", np.zeros((64, 80, 3), np.uint8))
        save(root / "drawing" / "a.png", np.zeros((64, 80), np.uint8))
    elif how == "black drawing":
        save(root / "drawing" / "a.png", np.zeros((SIDE, SIDE), np.uint8))
    elif how == "far away":
        points(root / "landmarks" / "a.txt", [(2, 2), (9, 2), (5, 5), (3, 8), (8, 8)])
    return name


WRONG = {
    "no drawing": r"photo/a\.png: no drawing of this name",
    "misnamed drawing": r"drawing/a_drawing\.png: no photo of this name",
    "wrong size": r"drawing/a\.png: 64x32 px given, the size of .*photo/a\.png, 64x64 px, expected",
    "coloured mask": r"masks/a\.png: a coloured picture given, a grey mask",
    "empty mask": r"masks/a\.png: 0 % of the mask is person",
    "swapped eyes": r"landmarks/a\.txt: .* the eyes are exchanged",
    "outside": r"landmarks/a\.txt: .* inside the photo of 64 px expected",
    "four lines": r"landmarks/a\.txt: 4 lines given, five lines",
    "words": r"landmarks/a\.txt: cannot be read as landmarks",
    "no photo": r"a\.(png|txt): no photo of this name",
    "two photos": r"photo/a\.png: a\.jpg has the same name",
    "damaged photo": r"photo/a\.png",
    "not square": r"photo/a\.png: 80x64 px given, a square photo expected",
    "black drawing": r"drawing/a\.png: 100\.0 % of the drawing is ink",
    "far away": r"landmarks/a\.txt: a point lies \d+ px from its place",
}


@pytest.mark.parametrize("how", WRONG)
def test_each_fault_is_named(tmp_path, how):
    import re

    plain(tmp_path)
    spoil(tmp_path, how)
    found = list(portraits.problems(tmp_path))
    assert any(re.search(WRONG[how], line) for line in found), found
    assert all("b." not in line for line in found)  # the other portrait is fine


def test_a_good_folder_has_no_problems(tmp_path):
    assert list(portraits.problems(plain(tmp_path / "p"))) == list(portraits.problems(published(tmp_path / "o"))) == []


def test_no_portraits(tmp_path):
    with pytest.raises(BadInput, match="no such folder"):
        portraits.find(tmp_path / "nothing")
    with pytest.raises(BadInput, match="no portrait found"):
        portraits.find(tmp_path)
    assert len(list(portraits.problems(tmp_path))) == 1


# -- samples ----------------------------------------------------------------------------------------------------------


def same(a, b):
    return all(bool((x == y).all()) for x, y in zip(a, b))


def test_without_augmentation_a_sample_is_the_portrait(tmp_path):
    sample = data.Portraits(portraits.find(plain(tmp_path)), SIDE)[0, 1]
    photo, drawing, mask, landmarks = face(seed=1)
    np.testing.assert_allclose(sample.photo.numpy().transpose(1, 2, 0), photo / 127.5 - 1, atol=1e-6)
    np.testing.assert_allclose(sample.drawing.numpy()[0], drawing / 127.5 - 1, atol=1e-6)
    np.testing.assert_array_equal(sample.mask.numpy()[0], mask >= 128)
    np.testing.assert_array_equal(sample.landmarks.numpy(), landmarks - 1)
    assert sample.item == 1


def test_samples_repeat_for_seed_epoch_and_index_only(tmp_path):
    items = portraits.find(plain(tmp_path))
    make = lambda seed: data.Portraits(items, SIDE, augment.Augmentation(), seed)  # noqa: E731
    one, again = make(3), make(3)
    again[0, 0]  # another past
    assert same(one[5, 1], again[5, 1])
    assert not same(one[5, 1], one[6, 1]) and not same(one[5, 1], make(4)[5, 1])


def test_a_mirror_image_swaps_the_eyes_and_stays_sharp(tmp_path):
    items = portraits.find(plain(tmp_path))
    flipped = data.Portraits(items, SIDE, augment.Augmentation(0, (1, 1), 1.0, 0, 0, 0, 0))[0, 0]
    straight = data.Portraits(items, SIDE)[0, 0]
    np.testing.assert_array_equal(flipped.photo.numpy(), straight.photo.numpy()[..., ::-1])
    np.testing.assert_array_equal(flipped.drawing.numpy(), straight.drawing.numpy()[..., ::-1])
    expected = straight.landmarks.numpy()[[1, 0, 2, 4, 3]]
    expected[:, 0] = SIDE - 1 - expected[:, 0]
    np.testing.assert_allclose(flipped.landmarks.numpy(), expected, atol=1e-4)
    assert (np.diff(flipped.landmarks.numpy()[[0, 1], 0]) > 0).all()


def test_points_move_with_the_pixels(tmp_path):
    """A white dot on each landmark is found again where the sample says the landmark is."""
    pixels, drawn, mask, landmarks = face(128)
    pixels[:] = 0
    for x, y in landmarks - 1:
        pixels[y - 2 : y + 3, x - 2 : x + 3] = 250
    save(tmp_path / "photo" / "a.png", pixels)
    save(tmp_path / "drawing" / "a.png", drawn)
    save(tmp_path / "mask" / "a.png", mask)
    points(tmp_path / "landmarks" / "a.txt", landmarks)
    samples = data.Portraits(portraits.find(tmp_path), 128, augment.Augmentation(light=0, noise=0, grey=0))
    for epoch in range(20):
        sample = samples[epoch, 0]
        for x, y in sample.landmarks.numpy():
            u, v = round(float(x)), round(float(y))
            assert sample.photo[0, v - 1 : v + 2, u - 1 : u + 2].mean() > 0.5


def test_the_teacher_draws_what_has_no_drawing(tmp_path):
    plain(tmp_path)
    (tmp_path / "drawing" / "a.png").unlink()
    items = portraits.find(tmp_path)
    made, given = (data.Portraits(items, SIDE, teacher=t) for t in ("ink", "given"))
    assert same(made[0, 0], given[0, 0]) and not same(made[0, 1], given[0, 1])
    assert made[0, 1].drawing.min() < 0


def test_white_beyond_the_photo_stays_white():
    pixels = np.full((40, 40, 3), 255, np.uint8)
    pixels[10:30, 10:30] = 100
    lit = augment.relit(pixels, augment.Augmentation(), np.random.default_rng(0))
    assert (lit[:10] == 255).all() and (lit[12:28, 12:28] < 255).all() and lit.dtype == np.uint8


def test_bad_arguments(tmp_path):
    with pytest.raises(BadInput, match="items: none given"):
        data.Portraits([])
    with pytest.raises(BadInput, match="teacher: 'me' given"):
        data.Portraits(portraits.find(plain(tmp_path)), teacher="me")
