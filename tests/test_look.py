"""Figures of how drawings look: what they count, and that they see what spoils a drawing."""

import json

import numpy as np
import pytest

from pyapdraw import cli, look
from pyapdraw.errors import BadInput
from pyapdraw.media.photo import read_photo, write_image
from pyapdraw.metrics import grey_share, specks


def paper(side=100):
    return np.full((side, side), 255, np.uint8)


def test_specks_are_small_areas_by_themselves():
    page = paper()
    page[10:13, 10:13] = 0  # 9 px, alone
    page[40:44, 40:44] = 0  # 16 px: large enough
    page[60:62, 60:62] = 0  # 4 px, 2 px beside a stroke
    page[50:80, 64] = 0
    page[90, 90] = page[91, 91] = 0  # corners touch: one
    page[20, 80] = 200  # no ink
    assert specks(page) == 2
    assert specks(paper()) == 0 and specks(np.zeros((9, 9), np.uint8)) == 0
    assert specks(page, scale=2.0) == 3, "the square of 16 px is small for a drawing twice as large"
    corner = paper(5)
    corner[0, 0] = 0
    assert specks(corner) == 1


def test_grey_is_more_than_the_rim_of_a_line():
    page = paper()
    page[:, 50], page[:, 49], page[:, 51] = 0, 128, 128
    assert grey_share(page) == 0
    page[20:40, 10:30] = 128
    assert grey_share(page) == pytest.approx(18 * 18 / 100**2)
    assert grey_share(paper(2)) == 0


@pytest.mark.parametrize("figure", [specks, grey_share])
@pytest.mark.parametrize("wrong", [np.zeros((4, 4)), np.zeros((4, 4, 3), np.uint8), "drawing"])
def test_other_drawings_are_refused(figure, wrong):
    with pytest.raises(BadInput, match="drawing: "):
        figure(wrong)


@pytest.fixture
def photos(tmp_path):
    data = pytest.importorskip("skimage.data")
    write_image(np.ascontiguousarray(data.astronaut()), tmp_path / "one.png")
    write_image(np.ascontiguousarray(data.coffee()), tmp_path / "two.png")
    return tmp_path


def test_of_photos(photos, tmp_path, capsys):
    words = ["eval", "look", str(photos), "--sheet", str(tmp_path / "s.jpg"), "--json", str(tmp_path / "r.json")]
    assert cli.main(words) == cli.codes.DONE
    said = capsys.readouterr().out
    assert "1 of 2 pictures with a face" in said and "| one " in said
    one, two = json.loads((tmp_path / "r.json").read_text())["rows"]
    assert one["faces"] == 1 and set(one["features"]) == set(look.FEATURES) and one["likeness"] < 0.15
    assert one["leak"] < 0.01 and one["specks"] < 25 and one["grey"] < 0.002
    assert two["faces"] == 0 and two["features"] == []
    assert read_photo(tmp_path / "s.jpg").pixels.shape[0] == 2 * look.SHEET_PX
    assert cli.main(words) != cli.codes.DONE, "what is there is not replaced"


def test_folders_are_groups(photos, capsys):
    for group, name in (("faces", "one.png"), ("things", "two.png"), (".hidden", "two.png")):
        (photos / group).mkdir()
        (photos / group / name).write_bytes((photos / name).read_bytes())
    for name in ("one.png", "two.png"):
        (photos / name).unlink()
    assert cli.main(["eval", "look", str(photos)]) == cli.codes.DONE
    said = capsys.readouterr().out.splitlines()
    assert said[-3].startswith("faces: 1 of 1 pictures with a face") and said[-2] == "things: no face in 1 pictures"
    assert said[-1].startswith("1 of 2 pictures with a face")


def test_a_folder_of_masks_is_no_group(photos, capsys):
    (photos / "masks").mkdir()
    for name, size in (("one.png", (512, 512)), ("two.png", (400, 600))):
        write_image(np.full(size, 255, np.uint8), photos / "masks" / name)
    assert cli.main(["eval", "look", str(photos), "--masks", str(photos / "masks")]) == cli.codes.DONE
    assert "1 of 2 pictures with a face" in capsys.readouterr().out


def test_ink_beyond_the_given_people_counts(photos):
    masks = photos / "masks"
    masks.mkdir()
    mask = np.zeros((512, 512), np.uint8)
    mask[:, 300:] = 255
    write_image(mask, masks / "one.png")
    (row,) = look.look([photos / "one.png"], masks=masks)
    assert row.leak > 0.05


@pytest.mark.parametrize("words", [["look"], ["look", "nowhere"], ["look", ".", "--data", "x"]])
def test_wrong_usage(words, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["eval", *words]) == cli.codes.WRONG_USAGE
    assert "photo" in capsys.readouterr().err
