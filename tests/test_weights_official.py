"""Published checkpoints: every container and naming they come in, what is refused and how it is said, and back."""

import os
import pickle
import subprocess
import sys
import zipfile
from collections import OrderedDict

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="published checkpoints are torch files")

import reference_apdrawing as reference  # noqa: E402
from safetensors import safe_open  # noqa: E402

from pyapdraw import cli, models, weights  # noqa: E402
from pyapdraw.errors import BadInput, OutputError, WeightsError  # noqa: E402
from pyapdraw.weights import import_checkpoint, read_checkpoint, store  # noqa: E402

LAST = "model.model.3.bias"  # of a U-Net
WIDER = reference.Nested(3, [4, 8, 16])  # a local network that belongs to another width
GENERATOR = {"ngf": 3, "levels": 6}


@pytest.fixture(scope="module")
def nets():
    return reference.randomise(reference.generator(**GENERATOR))


@pytest.fixture(scope="module")
def states(nets):
    return reference.checkpoint(nets)


@pytest.fixture
def saved(states, tmp_path):
    torch.save(states, tmp_path / "latest_net_gen.pt")
    return tmp_path / "latest_net_gen.pt"


def same(a, b):
    return set(a) == set(b) and all(torch.equal(a[k], b[k]) for k in a)


@pytest.fixture
def wanted(saved):
    return import_checkpoint(saved, "apdrawing")


def test_state_fits_the_model_and_its_configuration_is_found(wanted, saved):
    found = read_checkpoint(saved, "apdrawing")
    assert found.part == "generator" and found.config == GENERATOR
    net = models.create("apdrawing", **found.config)
    net.load_state_dict(wanted)  # strict: every name and shape
    assert all(v.dtype in (torch.float32, torch.int64) and not v.requires_grad for v in wanted.values())


@pytest.mark.parametrize("width", [1, 5, 16])
def test_any_width(width, tmp_path):
    torch.save(reference.checkpoint(reference.generator(width, 8)), tmp_path / "3_net_gen.pt")
    assert read_checkpoint(tmp_path / "3_net_gen.pt").config == {"ngf": width, "levels": 8}


def test_containers_and_names(states, wanted, tmp_path):
    def legacy(state, path):
        torch.save(state, path, _use_new_zipfile_serialization=False)

    old = {n: OrderedDict((k, v) for k, v in s.items() if "num_batches" not in k) for n, s in states.items()}
    parallel = {n: {f"module.{k}": v for k, v in s.items()} for n, s in states.items()}
    halves = {n: {k: v.half() if v.is_floating_point() else v for k, v in s.items()} for n, s in states.items()}
    path = tmp_path / "latest_net_gen.pt"
    for held, save in [(states, legacy), (old, torch.save), (parallel, torch.save), (parallel, legacy)]:
        save(held, path)
        found = import_checkpoint(path, "apdrawing")
        tracked = [k for k in found if k.endswith("num_batches_tracked")]
        assert same(found, wanted) and tracked
    torch.save(halves, path)
    found = import_checkpoint(path, "apdrawing")
    assert all(torch.allclose(found[k], wanted[k], atol=1e-3, rtol=1e-3) for k in wanted)


def test_text_pickled_by_python_2_is_read(tmp_path, states, wanted):
    """Such files hold byte strings; pickled here with the opcodes that Python 2 used."""
    path = tmp_path / "latest_net_gen.pt"
    torch.save(states, path)
    with zipfile.ZipFile(path) as file:
        names = file.namelist()
        held = {name: file.read(name) for name in names}
    main = next(n for n in names if n.endswith("data.pkl"))

    def short(match):  # BINUNICODE with a 4-byte length -> SHORT_BINSTRING with a 1-byte one
        text = match
        return b"U" + bytes([len(text)]) + text

    data, out, at = held[main], b"", 0
    while at < len(data):
        size = int.from_bytes(data[at + 1 : at + 5], "little")
        text = data[at + 5 : at + 5 + size]
        if data[at : at + 1] == b"X" and 0 < size < 256 and text.startswith((b"model.", b"G")) and text.isascii():
            out, at = out + short(text), at + 5 + size
        else:
            out, at = out + data[at : at + 1], at + 1
    assert len(out) < len(data)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as file:
        for name in names:
            file.writestr(name, out if name == main else held[name])
    assert same(import_checkpoint(path, "apdrawing"), wanted)


def test_one_file_a_network(states, wanted, tmp_path):
    for name, state in states.items():
        torch.save(state, tmp_path / f"12_net_{name}.pth")
        torch.save({k: v * 2 for k, v in state.items()}, tmp_path / f"9_net_{name}.pth")
    assert same(import_checkpoint(tmp_path / "12_net_GLNose.pth", "apdrawing"), wanted)
    assert same(import_checkpoint(tmp_path, "apdrawing"), wanted)  # the highest epoch, as a number
    (tmp_path / "12_net_GLHair.pth").unlink()
    with pytest.raises(WeightsError, match=r"12_net_G\.pth.*GLHair.*missing"):
        import_checkpoint(tmp_path / "12_net_G.pth", "apdrawing")


def test_dropout_shifts_no_weight(states, wanted, tmp_path):
    """Without dropout the second half of a residual block is numbered one lower."""
    plain = reference.combiner(3, dropout=False)
    plain.load_state_dict(dict(zip(plain.state_dict(), states["GCombine"].values())))
    assert "model.4.conv_block.5.weight" in plain.state_dict()
    torch.save({**states, "GCombine": plain.state_dict()}, tmp_path / "latest_net_gen.pt")
    assert same(import_checkpoint(tmp_path / "latest_net_gen.pt", "apdrawing"), wanted)


def test_discriminators_and_auxiliary(tmp_path):
    names = ("D", "DLEyel", "DLEyer", "DLNose", "DLMouth", "DLHair", "DLBG")
    torch.save(reference.checkpoint({n: reference.discriminator(2) for n in names}), tmp_path / "latest_net_dis.pt")
    for name in ("DT1", "DT2", "Line1", "Line2"):
        torch.save(reference.global_unet(1, 2, 9).state_dict(), tmp_path / f"latest_net_{name}.pth")
    found = read_checkpoint(tmp_path, "apdrawing")
    assert (found.part, found.config) == ("discriminators", {"ndf": 2, "layers": 3})
    found = read_checkpoint(tmp_path, "apdrawing", part="auxiliary")
    assert found.config == {"ngf": 2, "levels": 9}
    models.create("apdrawing.auxiliary", **found.config).load_state_dict(found.state)
    with pytest.raises(WeightsError, match="discriminators of apdrawing given, generator expected"):
        import_checkpoint(tmp_path / "latest_net_dis.pt", "apdrawing", part="generator")


def test_the_authors_own_files(shared_dir):
    folder = shared_dir / "reference" / "apdrawing_width4"
    new, old = (import_checkpoint(folder / f"{p}_net_gen.pt", "apdrawing") for p in ("latest", "legacyformat"))
    assert same(new, old) and len(new) == 270
    assert len(import_checkpoint(folder / "latest_net_dis.pt", "apdrawing")) == 154
    assert len(import_checkpoint(folder / "auxiliary" / "latest_net_Line2.pth", "apdrawing")) == 376


# And back -------------------------------------------------------------------------------------------------------------


def test_export_gives_back_what_was_imported(states, saved, tmp_path):
    held = read_checkpoint(saved).weights
    (file,) = weights.export_checkpoint(held, tmp_path / "out_net_gen.pt")
    again = torch.load(file, weights_only=True)
    assert list(again) == list(states)
    for name, state in states.items():
        assert list(again[name]) == list(state) and same(again[name], state)
    with pytest.raises(OutputError, match="exists already"):
        weights.export_checkpoint(held, file)
    (tmp_path / "nets").mkdir()
    files = weights.export_checkpoint(held, tmp_path / "nets", epoch="7")
    assert sorted(f.name for f in files) == sorted(f"7_net_{name}.pth" for name in states)
    assert same(import_checkpoint(tmp_path / "nets", "apdrawing"), read_checkpoint(saved).state)
    short = held._replace(tensors={k: v for k, v in held.tensors.items() if k != "whole.down.0.weight"})
    with pytest.raises(WeightsError, match=r"whole\.down\.0\.weight: nothing given"):
        weights.export_checkpoint(short, tmp_path / "short_net_gen.pt")


# Refused --------------------------------------------------------------------------------------------------------------


class Hostile:
    def __reduce__(self):
        return os.system, ("echo this must never run > hostile_was_here",)


def write(kind, path, states):
    path = path / "latest_net_gen.pt"
    whole = b""
    if kind in ("cut zip", "half a zip"):
        torch.save(states, path)
        whole = path.read_bytes()
    if kind == "cut old":
        torch.save(states, path, _use_new_zipfile_serialization=False)
        whole = path.read_bytes()
    simple = {
        "empty": b"", "text": b"this is no checkpoint at all\n" * 9, "zeros": bytes(4000), "cut zip": whole[:-30],
        "half a zip": whole[: len(whole) // 2], "cut old": whole[: len(whole) // 2],
        "plain pickle": pickle.dumps({"G": Hostile()}), "old pickle": pickle.dumps({"G": Hostile()}, 0),
    }  # fmt: skip
    if kind in simple:
        path.write_bytes(simple[kind])
    else:
        held = {
            "code": {**states, "G": {"model.model.0.weight": Hostile()}},
            "array": {**states, "G": {"model.model.0.weight": np.zeros(3)}},
            "module": reference.combiner(2),
            "list": [torch.zeros(2)], "tensor": torch.zeros(2), "nothing": {}, "numbers": {"G": {"a": 1}},
        }[kind]  # fmt: skip
        torch.save(held, path)
    return path


DAMAGED = ["empty", "text", "zeros", "cut zip", "half a zip", "cut old"]
CODE = ["plain pickle", "code", "array", "module"]


@pytest.mark.parametrize("kind", [*DAMAGED, *CODE, "old pickle", "list", "tensor", "nothing", "numbers"])
def test_files_that_are_none_are_refused_and_named(kind, tmp_path, states, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = write(kind, tmp_path, states)
    with pytest.raises(WeightsError) as caught:
        import_checkpoint(path, "apdrawing")
    told = str(caught.value)
    assert "latest_net_gen.pt" in told and len(told) < 500
    assert not (tmp_path / "hostile_was_here").exists()
    if kind in CODE:
        assert "refused" in told and "code" in told
    if kind in DAMAGED:
        assert "damaged" in told
    assert "weights_only=False" not in told.replace(" ", "")  # torch's own advice


def without(state, key):
    return {k: v for k, v in state.items() if k != key}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda s: without(s, "GLNose"), r"GLNose are missing; generator of apdrawing expected"),
        (lambda s: {**s, "G": without(s["G"], LAST)}, r"ngf 3, levels 6: G\.model\.model\.3\.bias is missing"),
        (lambda s: {**s, "GLBG": without(s["GLBG"], LAST)}, r"GLBG\.model\.model\.3\.bias is missing"),
        (lambda s: {**s, "G": without(s["G"], "model.model.0.weight")}, r"no tensor 'model\.model\.0\.weight'"),
        (lambda s: {**s, "G": {**s["G"], "extra": torch.zeros(1)}}, r"G\.extra is not expected"),
        (lambda s: {**s, "G": {**s["G"], LAST: torch.zeros(2)}}, r"is \(2,\), \(1,\) expected"),
        (lambda s: {**s, "G": {**s["G"], LAST: torch.tensor([np.nan])}}, r"NaN"),
        (lambda s: {**s, "G": {**s["G"], LAST: torch.ones(1, dtype=torch.int64)}}, r"int64"),
        (lambda s: {**s, "G_A": s["G"]}, r"networks G, .*G_A given, one part of apdrawing expected"),
        (lambda s: {"state_dict": s["G"]}, r"networks state_dict given"),
        (lambda s: {**s, "GLNose": WIDER.state_dict()}, r"\(4, 3, 4, 4\), \(3, 3, 4, 4\) expected.*more"),
    ],
)  # fmt: skip
def test_states_that_do_not_fit(change, told, states, tmp_path):
    path = tmp_path / "latest_net_gen.pt"
    torch.save(change(states), path)
    with pytest.raises(WeightsError, match=rf"latest_net_gen\.pt.*{told}"):
        import_checkpoint(path, "apdrawing")


def test_wrong_calls(saved, tmp_path):
    with pytest.raises(BadInput, match=r"'pix2pix'.*apdrawing"):
        import_checkpoint(saved, "pix2pix")
    with pytest.raises(BadInput, match=r"'encoder'.*generator"):
        import_checkpoint(saved, "apdrawing", part="encoder")
    with pytest.raises(WeightsError, match=r"nothing_here.*no such file"):
        import_checkpoint(tmp_path / "nothing_here.pt", "apdrawing")
    (tmp_path / "hollow").mkdir()
    with pytest.raises(WeightsError, match=r"hollow.*EPOCH_net"):
        import_checkpoint(tmp_path / "hollow", "apdrawing")
    torch.save({"a": torch.zeros(1)}, tmp_path / "some.pth")
    with pytest.raises(WeightsError, match=r"some\.pth.*not named EPOCH_net_NAME"):
        import_checkpoint(tmp_path / "some.pth", "apdrawing")


# Our own files --------------------------------------------------------------------------------------------------------


@pytest.fixture
def own(saved, tmp_path):
    store.write(tmp_path / "own.safetensors", read_checkpoint(saved).weights)
    return tmp_path / "own.safetensors"


def test_own_file_keeps_everything(own, wanted):
    held = store.read(own)
    assert held.model == "apdrawing" and held.config == GENERATOR
    assert all(np.array_equal(held.tensors[k], v.numpy()) for k, v in wanted.items()) and len(held.tensors) == len(
        wanted
    )
    assert models.load(own).config.ngf == 3
    assert not [f for f in own.parent.iterdir() if f.name.startswith(".")]  # no temporary file is left


def test_equal_weights_make_equal_files(own):
    """Also in another process, where the library would write the header in another order."""
    again = own.with_name("again.safetensors")
    code = f"from pyapdraw.weights import store; store.write({str(again)!r}, store.read({str(own)!r}), overwrite=True)"
    for seed in ("1", "2", "3"):
        subprocess.run([sys.executable, "-c", code], check=True, env=os.environ | {"PYTHONHASHSEED": seed})
        assert again.read_bytes() == own.read_bytes()
    with safe_open(own, "np") as file:
        assert file.metadata()["system"] == "apdrawing" and len(list(file.keys())) > 50


@pytest.mark.parametrize("at", [0.3, 0.6, 0.999])
def test_a_flipped_bit_is_found(own, at):
    data = bytearray(own.read_bytes())
    start = 8 + int.from_bytes(data[:8], "little")
    data[start + int(at * (len(data) - start))] ^= 4
    own.write_bytes(data)
    with pytest.raises(WeightsError, match=r"own\.safetensors.*sha256"):
        store.read(own)


@pytest.mark.parametrize("size", [0, 5, 9, 300, -40])
def test_a_cut_file_is_refused(own, size):
    own.write_bytes(own.read_bytes()[:size])
    with pytest.raises(WeightsError, match=r"own\.safetensors"):
        store.read(own)


def test_safetensors_of_others_are_refused(own, tmp_path):
    from safetensors.numpy import save_file

    for about in (None, {"format": "pt"}, {"format": store.FORMAT, "system": "x", "part": "y", "sha256": "z"},
                  {"format": store.FORMAT, "system": "x", "part": "y", "sha256": "z", "config": "[1]"}):  # fmt: skip
        save_file({"a": np.zeros(2, np.float32)}, tmp_path / "other.safetensors", metadata=about)
        with pytest.raises(WeightsError, match=r"other\.safetensors"):
            models.load(tmp_path / "other.safetensors")
    held = store.read(own)
    store.write(tmp_path / "unknown.safetensors", held._replace(system="pix2pix"))
    with pytest.raises(WeightsError, match=r"'pix2pix' given.*apdrawing"):
        models.load(tmp_path / "unknown.safetensors")


def test_average(own, tmp_path, capsys):
    held = store.read(own)
    other = held._replace(tensors={name: value + np.float32(1) for name, value in held.tensors.items()})
    store.write(tmp_path / "other.safetensors", other)
    command = ["weights", "average", str(own), str(tmp_path / "other.safetensors"), "-o", str(tmp_path / "mean")]
    assert cli.main(command) == cli.codes.DONE and "other.safetensors -> " in capsys.readouterr().out
    mean = store.read(tmp_path / "mean")
    assert (mean.model, mean.config) == (held.model, held.config)
    for name, value in held.tensors.items():
        exact = (value.astype(np.float64) + (value + np.float32(1))) / 2
        np.testing.assert_array_equal(
            mean.tensors[name], exact.astype(np.float32) if value.dtype.kind == "f" else value
        )
    assert cli.main(command) == cli.codes.NOT_WRITTEN
    same = weights.average([own, own, own])
    assert all(np.array_equal(same.tensors[name], value) for name, value in held.tensors.items())


def test_what_cannot_be_averaged(own, tmp_path, capsys):
    held = store.read(own)
    name = next(iter(held.tensors))
    for label, changed in (
        ("wider", held._replace(config=held.config | {"ngf": 4})),
        ("shape", held._replace(tensors=held.tensors | {name: held.tensors[name][None]})),
        ("part", held._replace(part="discriminators")),
    ):
        path = tmp_path / f"{label}.safetensors"
        store.write(path, changed)
        assert (
            cli.main(["weights", "average", str(own), str(path), "-o", str(tmp_path / "mean")]) == cli.codes.SOME_FAILED
        )
        assert f"{label}.safetensors: " in capsys.readouterr().err and not (tmp_path / "mean").exists()
    with pytest.raises(WeightsError, match="no weight file"):
        weights.average([])


# The command line -----------------------------------------------------------------------------------------------------


def test_import_verify_export_on_the_command_line(saved, states, tmp_path, capsys):
    own, out = tmp_path / "a.safetensors", tmp_path / "back_net_gen.pt"
    command = ["weights", "import", str(saved), "--system", "apdrawing", "-o", str(own)]
    assert cli.main(command) == cli.codes.DONE
    assert "generator of apdrawing, ngf 3, levels 6" in capsys.readouterr().out
    assert cli.main(command) == cli.codes.NOT_WRITTEN
    assert cli.main([*command, "--overwrite"]) == cli.codes.DONE
    assert cli.main(["weights", "verify", str(own), "mtcnn"]) == cli.codes.DONE
    assert cli.main(["weights", "export", str(own), "-o", str(out)]) == cli.codes.DONE
    again = torch.load(out, weights_only=True)
    assert all(same(again[n], states[n]) for n in states)
    capsys.readouterr()


def test_failures_on_the_command_line(saved, tmp_path, capsys):
    cut = tmp_path / "cut_net_gen.pt"
    cut.write_bytes(saved.read_bytes()[:1000])
    assert cli.main(["weights", "import", str(cut), "-o", str(tmp_path / "b.safetensors")]) == cli.codes.SOME_FAILED
    assert "cut_net_gen.pt" in capsys.readouterr().err
    assert cli.main(["weights", "verify", str(saved)]) == cli.codes.SOME_FAILED
    assert "latest_net_gen.pt" in capsys.readouterr().err
    assert cli.main(["weights", "import", str(saved), "--system", "x", "-o", "c"]) == cli.codes.WRONG_USAGE
    assert cli.main(["weights", "export", str(saved), "-o", "d"]) == cli.codes.SOME_FAILED
