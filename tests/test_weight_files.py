"""Our own weight files: what was altered is refused, what 0.1.0 wrote is read, names serve as files do, and nothing
that is there is lost."""

import json
import os

import altered_weights
import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load, save, save_file

from pyapdraw import cli, models, weights
from pyapdraw.errors import BadInput, WeightsError
from pyapdraw.weights import store


@pytest.fixture(scope="module")
def held():
    return altered_weights.specimen()


@pytest.fixture(scope="module")
def data(held):
    return store.encode("specimen", held)


def same(a, b):
    about = (a.system, a.part, a.config, set(a.tensors)) == (b.system, b.part, b.config, set(b.tensors))
    return about and all(
        a.tensors[k].dtype == v.dtype and np.array_equal(a.tensors[k], v) for k, v in b.tensors.items()
    )


def test_what_was_written_is_read(held, data, tmp_path):
    digest = weights.write(tmp_path / "a.safetensors", held)
    assert (tmp_path / "a.safetensors").read_bytes() == data and same(weights.read(tmp_path / "a.safetensors"), held)
    with safe_open(tmp_path / "a.safetensors", "np") as file:  # as other programs read it
        assert file.metadata()["sha256"] == digest and file.metadata()["system"] == "apdrawing"
        assert set(file.keys()) == set(held.tensors)
    assert [file.name for file in tmp_path.iterdir()] == ["a.safetensors"]


def test_tensors_lie_as_the_library_lays_them(held):
    """So that files of 0.1.0, which it wrote, are as ours would be: same order, same offsets."""
    kinds = [np.dtype(kind) for kind in store.DTYPES.values()]
    tensors = {f"{kind.str}{i}": np.full((i, 2), i).astype(kind) for i in (1, 0, 2) for kind in kinds}
    text = save(tensors, {"a": "b"})
    theirs = json.loads(text[8 : 8 + altered_weights.size_of(text)])
    ours = store.encode("all", held._replace(tensors=tensors))
    own = json.loads(ours[8 : 8 + altered_weights.size_of(ours)])
    assert theirs.pop("__metadata__") and own.pop("__metadata__") and list(own) == list(theirs) and own == theirs
    assert all(np.array_equal(value, tensors[name]) for name, value in load(ours).items())


def test_a_dtype_that_files_do_not_hold(held, tmp_path):
    with pytest.raises(WeightsError, match=r"a\.safetensors: x: complex128 given"):
        weights.write(tmp_path / "a.safetensors", held._replace(tensors={"x": np.zeros(2, complex)}))
    assert not list(tmp_path.iterdir())
    big = held._replace(tensors={"x": np.arange(3, dtype=">f4")})
    assert np.array_equal(store.decode("big", store.encode("big", big)).tensors["x"], [0, 1, 2])


def test_no_altered_file_is_read(data):
    """The script of the same name tries 50,000."""
    tried, accepted = altered_weights.count_accepted(data, 2000, seed=1)
    assert len(tried) == len(altered_weights.WAYS) and not accepted


def test_every_byte_is_covered(data):
    for at in range(len(data)):
        with pytest.raises(WeightsError):
            store.decode("a file", altered_weights.flipped(data, at, at % 8))


def with_right_sha256(data):
    """As somebody who means it would write it."""
    place = store._DIGEST
    return data[: place.start] + store._digest(data).encode() + data[place.stop :]


HOSTILE = {
    "spaces": lambda text: text.replace(b'","', b'", "', 1),
    "more spaces": lambda text: text + b" " * 8,
    "a key twice": lambda text: text.replace(b'"nose.bias":', b'"nose.bias":{},"nose.bias":'),
    "an escape": lambda text: text.replace(b'"nose.bias"', b'"\\u006eose.bias"'),
    "half a character": lambda text: text.replace(b'"nose.bias"', b'"\\ud800"'),
    "no text": lambda text: text.replace(b'"part":"generator"', b'"part":3'),
    "another field": lambda text: text.replace(b'"part"', b'"note":"x","part"'),
    "config deep": lambda text: text.replace(b'"config":"{', b'"config":"' + b"[" * 100_000),
    "config list": lambda text: text.replace(b'"config":"{', b'"config":"[{').replace(b'}","format', b'}]","format'),
    "config spaced": lambda text: text.replace(b'\\"ngf\\": 4', b'\\"ngf\\":  4'),
    "config 1e999": lambda text: text.replace(b'\\"ngf\\": 4', b'\\"ngf\\": 1e999'),
    "config long number": lambda text: text.replace(b'\\"ngf\\": 4', b'\\"ngf\\": ' + b"9" * 5000),
    "negative shape": lambda text: text.replace(b'"shape":[2]', b'"shape":[-2]', 1),
    "large shape": lambda text: text.replace(b'"shape":[2]', b'"shape":[4611686018427387904,4]', 1),
    "unknown dtype": lambda text: text.replace(b'"dtype":"F16"', b'"dtype":"F17"', 1),
    "bfloat16": lambda text: text.replace(b'"dtype":"F16"', b'"dtype":"BF16"', 1),
    "overlap": lambda text: text.replace(b'"data_offsets":[0,', b'"data_offsets":[8,', 1),
    "deep": lambda text: text.replace(b'"shape":[2]', b'"shape":' + b"[" * 100_000, 1),
}  # fmt: skip


@pytest.mark.parametrize("how", HOSTILE)
def test_a_right_sha256_makes_no_other_spelling_right(data, how):
    assert with_right_sha256(data) == data
    text = HOSTILE[how](data[8 : 8 + altered_weights.size_of(data)])
    altered = with_right_sha256(altered_weights.with_header(data, text))
    assert altered != data
    with pytest.raises(WeightsError, match=r"^a file: ") as caught:
        store.decode("a file", altered)
    assert len(str(caught.value)) < 400


# Files of 0.1.0 -------------------------------------------------------------------------------------------------------


def written_by_0_1_0(held):
    about = {"format": "pyapdraw-1", "system": held.system, "part": held.part}
    about |= {"config": json.dumps(held.config, sort_keys=True), "sha256": store.fingerprint(held.tensors)}
    data = save({name: np.asarray(value, order="C") for name, value in held.tensors.items()}, about)
    size = altered_weights.size_of(data)
    fields = json.loads(data[8 : 8 + size])
    fields["__metadata__"] = dict(sorted(fields["__metadata__"].items()))
    text = json.dumps(fields, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + data[8 + size :]


def test_files_of_0_1_0(held, tmp_path):
    old = written_by_0_1_0(held)
    (tmp_path / "old.safetensors").write_bytes(old)
    assert same(weights.find(tmp_path / "old.safetensors"), held)
    start = 8 + altered_weights.size_of(old)
    for altered in (
        altered_weights.flipped(old, start + 5, 2),
        altered_weights.flipped(old, old.index(b"sha256") + 12, 0),
        old[:start].replace(b'"config"', b' "config"') + old[start:],
        altered_weights.with_header(old, old[8:start] + b" " * 8),
        old + b"\0",
        old[:-1],
    ):
        with pytest.raises(WeightsError):
            store.decode("altered", altered)


# Names and files ------------------------------------------------------------------------------------------------------


def test_names_of_shipped_weights_work_as_files_do(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert weights.read("apdrawing").model == "apdrawing.small" and weights.read("mtcnn").model == "mtcnn.detector"
    assert cli.main(["weights", "average", "apdrawing", "apdrawing", "-o", "mean.safetensors"]) == cli.codes.DONE
    assert same(weights.read("mean.safetensors"), weights.read("apdrawing"))
    assert cli.main(["weights", "verify", *weights.names(), "mean.safetensors"]) == cli.codes.DONE
    capsys.readouterr()
    for name, part in (("apdrawing", "small of apdrawing"), ("mtcnn", "detector of mtcnn")):
        assert cli.main(["weights", "export", name, "-o", "out.pt"]) == cli.codes.SOME_FAILED
        error = capsys.readouterr().err
        assert f"{part} given, which no published file holds" in error and error.count("\n") == 1
    assert not os.path.exists("out.pt")
    os.mkdir("apdrawing")  # what is there comes first
    with pytest.raises(WeightsError, match="no file named EPOCH_net"):
        weights.find("apdrawing")


def test_system_and_part_are_asked_of_our_files_too(held, tmp_path):
    weights.write(tmp_path / "a.safetensors", held)
    assert same(weights.find(tmp_path / "a.safetensors", system="apdrawing", part="generator"), held)
    for asked, told in (
        ({"system": "apdrawing2"}, "generator of apdrawing given, weights of apdrawing2 expected"),
        ({"part": "auxiliary"}, "generator of apdrawing given, auxiliary of apdrawing expected"),
    ):
        with pytest.raises(WeightsError, match=rf"a\.safetensors: {told}"):
            weights.find(tmp_path / "a.safetensors", **asked)
    with pytest.raises(WeightsError, match=r"apdrawing: small of apdrawing given, generator of apdrawing expected"):
        models.load("apdrawing", system="apdrawing", part="generator")


def test_ours_and_published_ones_in_each_others_place(held, tmp_path, capsys):
    torch = pytest.importorskip("torch", reason="published checkpoints are files of torch")
    own, out = tmp_path / "own.safetensors", str(tmp_path / "out")
    weights.write(own, held)
    for given in (own, "apdrawing"):
        assert cli.main(["weights", "import", str(given), "-o", out]) == cli.codes.SOME_FAILED
        assert f"{given}: weights of pyapdraw given, which need no import" in capsys.readouterr().err
    for new in (True, False):
        torch.save({"G": {"a": torch.zeros(1)}}, tmp_path / "x.pt", _use_new_zipfile_serialization=new)
        for words in (["verify", "x.pt"], ["export", "x.pt", "-o", out], ["average", "x.pt", "-o", out]):
            words = [str(tmp_path / word) if word == "x.pt" else word for word in words]
            assert cli.main(["weights", *words]) == cli.codes.SOME_FAILED
            error = capsys.readouterr().err
            assert "x.pt: a file of torch given" in error and "weights import" in error


def test_a_name_that_ends_in_a_separator_is_a_folders(held, tmp_path, capsys):
    pytest.importorskip("torch", reason="published checkpoints are files of torch")
    net = models.create("apdrawing", ngf=1, levels=6)
    tensors = {name: value.numpy() for name, value in net.state_dict().items()}
    own, folder = tmp_path / "own.safetensors", tmp_path / "run"
    weights.write(own, weights.Weights("apdrawing", "generator", {"ngf": 1, "levels": 6}, tensors))
    assert cli.main(["weights", "average", str(own), "-o", f"{folder}/"]) == cli.codes.NOT_WRITTEN
    assert "is a folder, expected a file name" in capsys.readouterr().err and not folder.exists()
    assert cli.main(["weights", "export", str(own), "-o", f"{folder}/"]) == cli.codes.DONE
    assert {file.name for file in folder.iterdir()} >= {"latest_net_G.pth", "latest_net_GCombine.pth"}
    assert same(weights.find(folder), weights.read(own))
    assert cli.main(["weights", "export", str(own), "-o", f"{tmp_path}/no/run/"]) == cli.codes.NOT_WRITTEN


def test_outputs_replace_no_input_and_nothing_unasked(held, tmp_path, capsys):
    own, folder = tmp_path / "own.safetensors", tmp_path / "folder"
    weights.write(own, held)
    folder.mkdir()
    before = own.read_bytes()
    for words, told in (
        (["average", own, "apdrawing", "-o", own, "--overwrite"], "output and input are the same file"),
        (["export", own, "-o", own, "--overwrite"], "output and input are the same file"),
        (["import", own, "-o", own, "--overwrite"], "output and input are the same file"),
        (["average", own, "-o", own], "output and input are the same file"),
        (["average", own, "-o", folder, "--overwrite"], "is a folder"),
        (["average", own, "-o", "/dev/null", "--overwrite"], "is a device or a pipe"),
        (["average", own, "-o", tmp_path / "no" / "x"], "does not exist"),
    ):
        assert cli.main(["weights", *(str(word) for word in words)]) == cli.codes.NOT_WRITTEN
        assert told in capsys.readouterr().err
    assert own.read_bytes() == before and not list(folder.iterdir())


@pytest.fixture
def photo(tmp_path):
    from PIL import Image

    Image.fromarray(np.full((512, 512, 3), 128, np.uint8)).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


def test_weights_that_cannot_draw(photo, held, tmp_path, capsys):
    torch = pytest.importorskip("torch", reason="published checkpoints are torch files")
    (tmp_path / "plain.pkl").write_bytes(b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x04true\x85R.")
    torch.save({"state_dict": {"a": torch.zeros(1)}}, tmp_path / "other.pth")
    save_file({"a": np.zeros(2, np.float32)}, tmp_path / "foreign.safetensors")
    weights.write(tmp_path / "two.safetensors", held._replace(system="apdrawing2"))
    (tmp_path / "empty.pt").write_bytes(b"")
    for name, told in (
        ("plain.pkl", "refused: it holds more than tensors, which could run code"),
        ("other.pth", "networks state_dict given"),
        ("foreign.safetensors", "safetensors of another program given"),
        ("two.safetensors", "weights of 'apdrawing2' given, those of a generator of apdrawing expected"),
        ("missing.pt", "no such file, nor weights of that name"),
        ("empty.pt", "empty.pt"),
        ("mtcnn", "weights of 'mtcnn.detector' given, those of a generator of apdrawing expected"),
        ("x" * 5000, "no such file"),
        ("/dev/null", "a device or a pipe given"),
    ):
        given = name if name == "mtcnn" or "." not in name else str(tmp_path / name)
        words = ["draw", str(photo), "-o", str(tmp_path / "out.png"), "--style", "apdrawing", "--weights", given]
        assert cli.main(words) == cli.codes.WRONG_USAGE, name
        error = capsys.readouterr().err
        assert told in error and given in error and error.count("\n") == 1 and "Traceback" not in error
    assert not (tmp_path / "out.png").exists()


def test_a_training_into_a_file(tmp_path, capsys):
    pytest.importorskip("torch", reason="training needs torch")
    from test_training_portraits import plain

    data = plain(tmp_path / "data")
    (tmp_path / "file").write_text("mine")
    small = ["--set=size_px=64", "--set=ngf=2", "--set=ndf=2", "--set=schedule.steps=1", "-q"]
    for out in ("file", "file/below"):
        words = ["train", "apdrawing", "--data", str(data), "--out", str(tmp_path / out), *small]
        assert cli.main(words) == cli.codes.NOT_WRITTEN
        assert "a folder that can be written expected" in capsys.readouterr().err
    assert (tmp_path / "file").read_text() == "mine"


def test_an_unknown_system_of_a_published_checkpoint(tmp_path):
    torch = pytest.importorskip("torch", reason="published checkpoints are torch files")
    torch.save({"G": {"a": torch.zeros(1)}}, tmp_path / "1_net_gen.pt")
    with pytest.raises(BadInput, match="'pix2pix' given"):
        models.load(tmp_path / "1_net_gen.pt", system="pix2pix")
    for name in ("x" * 5000, "nul\0inside"):
        with pytest.raises(WeightsError, match="no such file"):
            weights.import_checkpoint(name, "apdrawing")
