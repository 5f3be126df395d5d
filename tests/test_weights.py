"""Shipped weights: what the manifest promises is what is loaded, and everything else is refused by name."""

import hashlib
import json

import numpy as np
import pytest
from safetensors.numpy import save_file

from pyapdraw import weights
from pyapdraw.errors import WeightsError


@pytest.fixture
def folder(tmp_path):
    tensors = {"a": np.arange(6, dtype=np.float16).reshape(2, 3), "n": np.array([1, 2], np.int64)}
    save_file(tensors, tmp_path / "toy.safetensors")
    weights.record("toy", tmp_path)
    return tmp_path


def test_load_widens_half_and_keeps_the_rest(folder):
    tensors = weights.load("toy", folder)
    assert tensors["a"].dtype == np.float32 and tensors["n"].dtype == np.int64
    np.testing.assert_array_equal(tensors["a"], np.arange(6).reshape(2, 3))
    assert tensors["a"].flags.c_contiguous


def test_unknown_name_lists_the_known_ones(folder):
    with pytest.raises(WeightsError, match=r"'nose'.*toy"):
        weights.load("nose", folder)


def test_one_flipped_bit_is_refused(folder):
    path = folder / "toy.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(WeightsError, match="sha256"):
        weights.load("toy", folder)


def test_missing_file_is_named(folder):
    (folder / "toy.safetensors").unlink()
    with pytest.raises(WeightsError, match=r"toy\.safetensors"):
        weights.load("toy", folder)


def test_right_checksum_of_a_wrong_format(folder):
    (folder / "toy.safetensors").write_bytes(b"not a weight file")
    weights.record("toy", folder)
    with pytest.raises(WeightsError, match="not a safetensors file"):
        weights.load("toy", folder)


@pytest.mark.parametrize("text", ["", "[]", "{"])
def test_broken_manifest(folder, text):
    (folder / "manifest.json").write_text(text)
    with pytest.raises(WeightsError, match=r"manifest\.json"):
        weights.load("toy", folder)


def test_record_keeps_other_entries(folder):
    save_file({"b": np.zeros(1, np.float32)}, folder / "other.safetensors")
    weights.record("other", folder)
    assert weights.names(folder) == ["other", "toy"]
    assert json.loads((folder / "manifest.json").read_text())["toy"]["size_bytes"] > 0


@pytest.mark.parametrize("name", weights.names())
def test_every_shipped_file_loads_and_has_a_card(name):
    tensors = weights.load(name)
    assert tensors and all(np.isfinite(value).all() for value in tensors.values())
    card = (weights.FOLDER / f"{name}.md").read_text(encoding="utf-8")
    assert hashlib.sha256(weights.verify(name)).hexdigest() in card, "the card gives another sha256"
    read = weights.read(name)  # in the format of every other weight file
    assert read.tensors.keys() == tensors.keys()
