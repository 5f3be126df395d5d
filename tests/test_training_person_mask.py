"""Training of the person mask: batches stay in range, a person stays in one fold, the same seed gives the same net."""

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch")

from pyapdraw.training.shipped import person_mask as training  # noqa: E402
from pyapdraw.training.shipped import person_mask_data as data  # noqa: E402
from pyapdraw.training.shipped import person_mask_scenery as scenes  # noqa: E402
from pyapdraw.training.shipped.person_mask_outlines import OUTLINES  # noqa: E402


@pytest.fixture(scope="module")
def portraits(tmp_path_factory):
    """Three painted heads on walls, 512 x 512, in the folders that the reader expects."""
    folder = tmp_path_factory.mktemp("data")
    rows, columns = np.mgrid[:512, :512]
    for i, name in enumerate(("a", "b", training.TEST_ONLY[0])):
        inside = (columns - 256) ** 2 / (120 + 30 * i) ** 2 + (rows - 280) ** 2 / 220**2 < 1
        photo = np.where(inside[..., None], (200, 150, 120), (40 * i, 90, 160)).astype(np.uint8)
        for kind, pixels in (("photo", photo), ("mask", np.uint8(inside) * 255)):
            path = folder / "portraits" / kind / f"{name}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(path)
    return data.read_portraits(folder)


def test_reader_takes_photo_mask_and_what_has_an_outline(portraits):
    given = [name for name, drawn in zip(portraits.names, portraits.drawn) if not drawn]
    assert given == sorted(["a", "b", training.TEST_ONLY[0]])
    assert set(portraits.names) - set(given) <= {"astronaut"}  # the other outlines belong to photos that are not here
    assert portraits.photos.shape[1:] == (3, data.STORE_PX, data.STORE_PX)
    assert portraits.masks.min() == 0 and portraits.masks.max() == 1


@pytest.mark.parametrize("name", sorted(OUTLINES))
def test_outlines_hold_the_face(name):
    mask = data.outline_mask(OUTLINES[name])[0]
    side = data.STORE_PX
    assert mask[int(0.47 * side), [int(0.39 * side), int(0.61 * side)]].min() == 1  # both eyes
    assert mask[: side // 3, : side // 12].max() < 0.01 and 0.2 < mask.mean() < 0.8


def test_batches_stay_in_range(portraits):
    scenery = scenes.backgrounds(portraits, count=6, seed=0)
    assert scenery.isfinite().all() and scenery.min() >= 0 and scenery.max() <= 1
    augment = data.Augment(portraits, training.sample_weights(portraits), scenery, seed=0)
    for _ in range(3):
        photos, masks = augment.batch(6)
        assert photos.shape == (6, 3, data.SIZE_PX, data.SIZE_PX) and masks.shape == (6, 1, data.SIZE_PX, data.SIZE_PX)
        for values in (photos, masks):
            assert values.isfinite().all() and values.min() >= 0 and values.max() <= 1
        middle = slice(data.SIZE_PX // 2 - 4, data.SIZE_PX // 2 + 4)
        assert masks[:, :, middle, middle].min() > 0.9  # the face is somebody's, whatever was done


def test_background_is_filled_without_the_person(portraits):
    """Behind a uniform wall's person there is wall."""
    wall = portraits.photos[0, :, 2, 2]
    filled = scenes.backgrounds(portraits, count=1, seed=0)[0]
    assert (filled - wall.view(3, 1, 1)).abs().max() < 0.02


def test_sittings_share_a_fold():
    names = [name for sitting in training.SITTINGS for name in sitting] + ["x", "y", "z"]
    blank = torch.zeros(len(names), 1)
    portraits = data.Portraits(sorted(names), blank, blank, [False] * len(names))
    fold = dict(zip(portraits.names, training.fold_of(portraits, 4)))
    for sitting in training.SITTINGS:
        assert len({fold[name] for name in sitting}) == 1
    assert set(fold.values()) == {0, 1, 2, 3}


def test_same_seed_same_weights(portraits):
    config = training.Config(steps=6, batch=2, scenes=8)
    first, second = (training.folded(training.train(portraits, config)) for _ in range(2))
    assert first.keys() == second.keys()
    assert all(np.array_equal(first[key], second[key]) for key in first)
    assert sum(value.nbytes for value in first.values()) < 1_000_000


def test_loss_is_least_at_the_truth():
    target = (torch.rand(2, 1, 8, 8, generator=torch.Generator().manual_seed(0)) > 0.5).float()
    right, wrong = (training.mask_loss(sign * (target * 2 - 1) * 9, target).item() for sign in (1, -1))
    assert right < 0.01 and wrong > 5
