"""Training of APDrawingGAN as a whole: both stages, resuming to the bit, settings, and what is refused."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch", reason="training needs torch")

from test_training_portraits import plain, published  # noqa: E402

from pyapdraw import cli  # noqa: E402
from pyapdraw.errors import BadInput, DeviceError, WeightsError  # noqa: E402
from pyapdraw.training import apdrawing, checkpoint, loop  # noqa: E402

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(autouse=True)
def one_thread():
    """Networks this small gain nothing from threads, and lose much where the machine is busy."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


SMALL = {"size_px": 64, "ngf": 4, "ndf": 4, "schedule.sheet_every": 0, "schedule.log_every": 1, "schedule.seed": 5}


def trained(data, out, steps, **changes):
    names = {"schedule.steps": steps} | SMALL | changes
    return apdrawing.train(data, out, apdrawing.read_config(None, **names), quiet=True)


@pytest.fixture(scope="module", params=[plain, published], ids=["plain", "published"])
def folder(request, tmp_path_factory):
    return request.param(tmp_path_factory.mktemp("data"), names=("a", "b", "c"))


def test_one_epoch_from_either_layout_and_a_drawing(folder, tmp_path):
    """Formal training sees every portrait once; the average then draws, and the sheet shows it."""
    trainer = trained(folder, tmp_path, 3, **{"schedule.sheet_every": 3})
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    names = {
        "discriminators_fake",
        "discriminators_real",
        "gan",
        "gan_local",
        "l1",
        "local",
        "dt_to_drawing",
        "dt_to_target",
    }
    assert [line["step"] for line in lines] == [1, 2, 3] and set(lines[0]) - {"step"} == names
    drawings = [drawing for _, drawing in trainer.draw(trainer.shown)]
    assert len(drawings) == 3 and all(d.shape == (64, 64) and d.dtype == np.uint8 for d in drawings)
    assert Image.open(tmp_path / "sheet-000003.png").size == (3 * 64, 3 * 64)
    assert checkpoint.load(tmp_path / loop.LAST)["step"] == 3


def test_it_learns(tmp_path):
    """On one portrait the drawing comes nearer to the given one."""
    data = plain(tmp_path / "data", names=("a",))
    still = {"augmentation.turn_deg": 0.0, "augmentation.flip": 0.0, "augmentation.light": 0.0, "average": 0.9}
    trained(data, tmp_path / "out", 60, rate=2e-3, ngf=8, **still)
    lines = [json.loads(line) for line in (tmp_path / "out" / "log.jsonl").read_text().splitlines()]
    first, last = (np.mean([line["l1"] for line in part]) for part in (lines[:5], lines[-5:]))
    assert last < 0.7 * first


def test_pretraining_needs_no_drawings_and_formal_training_starts_from_it(tmp_path):
    data = plain(tmp_path / "data")
    trained(data, tmp_path / "one", 2, stage="pretrain")
    line = json.loads((tmp_path / "one" / "log.jsonl").read_text().splitlines()[0])
    assert "dt_to_drawing" not in line and "l1" in line
    start = str(tmp_path / "one" / loop.LAST)
    names = {"schedule.steps": 0} | SMALL | {"start": start}
    second = apdrawing.train(data, tmp_path / "two", apdrawing.read_config(None, **names), quiet=True)
    kept = checkpoint.load(start)["trainer"]
    assert checkpoint.same(dict(second.generator.state_dict()), kept["generator"])
    with pytest.raises(BadInput, match="trained with ngf = 4, 8 expected"):
        trained(data, tmp_path / "three", 1, start=start, ngf=8)
    with pytest.raises(WeightsError, match=r"nowhere\.safetensors"):
        trained(data, tmp_path / "four", 1, start=str(tmp_path / "nowhere.safetensors"))


@pytest.mark.parametrize("changes", [{}, {"schedule.accumulate": 2, "schedule.batch": 2, "precision": "bfloat16"}])
def test_a_resumed_training_has_the_bits_of_a_whole_one(folder, tmp_path, changes):
    whole = trained(folder, tmp_path / "whole", 5, fall=0.0, **changes)
    trained(folder, tmp_path / "parts", 2, fall=0.0, **changes)
    resumed = trained(folder, tmp_path / "parts", 5, fall=0.0, **changes)
    parts = [t.state() for t in (whole, resumed)]
    for state in parts:
        state.pop("config")
    assert checkpoint.same(*parts)


def test_killed_and_resumed(tmp_path):
    """kill -9 while it trains: what was written is whole, and the same command goes on."""
    data = plain(tmp_path / "data")
    sets = [f"--set={k}={v}" for k, v in (SMALL | {"schedule.steps": 400, "schedule.checkpoint_every": 1}).items()]
    command = [
        sys.executable,
        "-m",
        "pyapdraw",
        "train",
        "apdrawing",
        "--data",
        str(data),
        "--out",
        str(tmp_path / "o"),
    ]
    process = subprocess.Popen([*command, *sets, "-q"], cwd=ROOT, stderr=subprocess.PIPE)
    log, end = tmp_path / "o" / "log.jsonl", time.monotonic() + 120
    while time.monotonic() < end and (not log.is_file() or len(log.read_text().splitlines()) < 3):
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    logged = [json.loads(line)["step"] for line in log.read_text().splitlines()]
    kept = checkpoint.load(tmp_path / "o" / loop.LAST)["step"]
    assert logged[-1] - 1 <= kept <= logged[-1] + 1
    more = [f"--set=schedule.steps={kept + 2}" if "steps" in text else text for text in sets]
    subprocess.run([*command, *more, "-q"], cwd=ROOT, check=True, timeout=300)
    assert checkpoint.load(tmp_path / "o" / loop.LAST)["step"] == kept + 2


def test_held_out_portraits_are_judged_and_not_trained_on(tmp_path):
    data = plain(tmp_path / "data", names=("a", "b", "c", "d"))
    trained(data, tmp_path / "out", 4, held_out=4, **{"schedule.judge_every": 2})
    lines = [json.loads(line) for line in (tmp_path / "out" / "log.jsonl").read_text().splitlines()]
    figures = [line["held_out"] for line in lines if "held_out" in line]
    assert len(figures) == 2 and all(0 <= f <= 2 for f in figures)
    seen, held = apdrawing.split(list("abcd"), 4)
    assert (seen, held) == (["a", "b", "c"], ["d"])


def test_a_loss_that_is_no_number_ends_the_training_with_exit_code_1(tmp_path, monkeypatch, capsys):
    data = plain(tmp_path / "data")
    real = apdrawing.losses.pixelwise
    calls = iter(range(100))

    def poisoned(drawing, target):
        return real(drawing, target) * (float("nan") if next(calls) >= 14 else 1.0)

    monkeypatch.setattr(apdrawing.losses, "pixelwise", poisoned)
    sets = [f"--set={k}={v}" for k, v in (SMALL | {"schedule.steps": 9, "schedule.checkpoint_every": 1}).items()]
    code = cli.main(["train", "apdrawing", "--data", str(data), "--out", str(tmp_path / "o"), "-q", *sets])
    assert code == 1 and "step 3: the loss 'l1' is nan" in capsys.readouterr().err
    assert checkpoint.load(tmp_path / "o" / loop.LAST)["step"] == 2


# -- settings ---------------------------------------------------------------------------------------------------------


def test_settings_from_a_file_and_the_command_line(tmp_path):
    file = tmp_path / "small.toml"
    file.write_text('stage = "pretrain"\nngf = 8\nrate = 0.001\n[schedule]\nsteps = 7\n[weights]\nl1 = 50\n')
    config = apdrawing.read_config(file, ngf=4, **{"schedule.batch": 3})
    assert (config.stage, config.ngf, config.rate, config.schedule.steps) == ("pretrain", 4, 0.001, 7)
    assert (config.schedule.batch, config.weights.l1, config.weights.local) == (3, 50.0, 25.0)
    published_one = apdrawing.read_config(None)
    assert (published_one.rate, published_one.betas, published_one.ngf) == (2e-4, (0.5, 0.999), 64)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rte = 1", "'rte' is no setting, one of stage"),
        ("[schedule]\nstep = 1", r"\[schedule\]: 'step' is no setting"),
        ("schedule = 3", "schedule = 3 given, a table expected"),
        ("ngf = 'wide'", "ngf = 'wide' given, int as in 64 expected"),
        ("betas = [0.5]", "betas"),
        ("stage = 'third'", "stage: 'third' given, one of pretrain, formal expected"),
        ("size_px = 100", "size_px: 100 given, a power of two"),
        ("rate = 0", "rate: 0.0 given"),
        ("ngf = ", "cannot be read as TOML"),
        ("[schedule]\nbatch = 0", r"schedule\.batch: 0 given, a number from 1 up"),
        ("[schedule]\naccumulate = 0", r"schedule\.accumulate: 0 given"),
        ("[schedule]\nworkers = -1", r"schedule\.workers: -1 given, a number from 0 up"),
        ("[schedule]\nlog_every = 0", r"schedule\.log_every: 0 given"),
        ("[schedule]\nseed = -1", r"schedule\.seed: -1 given"),
        ("[schedule]\nsteps = -1", r"schedule\.steps: -1 given"),
        ("betas = [0.5, 1.0]", r"betas: \[0\.5, 1\.0\] given"),
        ("average = 1.5", r"average: 1\.5 given, a number from 0 to 1"),
        ("fall = nan", r"fall: nan given"),
        ("held_out = -1", r"held_out: -1 given"),
        ("reach_px = inf", r"reach_px: inf given"),
        ("[weights]\nl1 = nan", r"weights\.l1: nan given"),
        ("[weights]\ntone = -1", r"weights\.tone: -1\.0 given"),
        ("[augmentation]\nscale = [2, 1]", r"augmentation\.scale: \[2\.0, 1\.0\] given"),
        ("[augmentation]\nscale = [0, 1]", r"augmentation\.scale: \[0\.0, 1\.0\] given"),
        ("[augmentation]\nnoise = -1", r"augmentation\.noise: -1\.0 given"),
    ],
)
def test_bad_settings_are_named(tmp_path, text, message):
    file = tmp_path / "bad.toml"
    file.write_text(text)
    with pytest.raises(BadInput, match=message):
        apdrawing.read_config(file)


def test_a_setting_below_a_setting_that_is_no_table(tmp_path):
    (tmp_path / "c.toml").write_text("[schedule]\nsteps = 3")
    with pytest.raises(BadInput, match=r"schedule\.steps\.x: steps = 3 given elsewhere, a table"):
        apdrawing.read_config(tmp_path / "c.toml", **{"schedule.steps.x": 5})


def test_nothing_left_to_train_on(tmp_path):
    data = plain(tmp_path / "data")
    with pytest.raises(BadInput, match="held_out, held_names: every portrait of"):
        trained(data, tmp_path / "out", 1, held_out=1)
    with pytest.raises(BadInput, match="without: every portrait of"):
        trained(data, tmp_path / "out", 1, without=["a", "b", "c"])
    assert not (tmp_path / "out").exists()


def test_checkpoints_that_do_not_fit_are_named(tmp_path):
    data = plain(tmp_path / "data")
    trained(data, tmp_path / "out", 0)
    with pytest.raises(BadInput, match=r"last\.safetensors: trained with ngf = 4, 8 expected"):
        trained(data, tmp_path / "out", 1, ngf=8)
    checkpoint.save(tmp_path / "lines.safetensors", {"step": 1, "trainer": {"net": {}}})
    with pytest.raises(WeightsError, match=r"lines\.safetensors: a checkpoint of another system"):
        trained(data, tmp_path / "other", 1, start=str(tmp_path / "lines.safetensors"))


def test_what_cannot_be_trained_is_refused_before_it_starts(tmp_path):
    data = plain(tmp_path / "data")
    (data / "drawing" / "a.png").unlink()
    with pytest.raises(BadInput, match=r"a\.png: no drawing of this name, which stage formal needs \(1 of 2"):
        trained(data, tmp_path / "out", 1)
    assert not (tmp_path / "out").exists()
    if not torch.cuda.is_available():
        with pytest.raises(DeviceError, match="cuda given, but torch sees no CUDA device"):
            trained(data, tmp_path / "out", 1, device="cuda")


def test_data_check_from_the_command_line(tmp_path, capsys):
    data = plain(tmp_path / "data")
    assert cli.main(["data", "check", str(data)]) == 0
    assert "no problems found" in capsys.readouterr().out
    (data / "drawing" / "a.png").unlink()
    assert cli.main(["data", "check", str(data)]) == 1
    assert "photo/a.png: no drawing" in capsys.readouterr().out
    assert cli.main(["data", "check", str(data), "--photos-only"]) == 0


def test_two_processes_train_alike(tmp_path):
    data = plain(tmp_path / "data", names=("a", "b", "c", "d"))
    sets = [f"--set={k}={v}" for k, v in (SMALL | {"schedule.steps": 3}).items()]
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m", "pyapdraw"]
    command += ["train", "apdrawing", "--data", str(data), "--out", str(tmp_path / "o"), "-q", *sets]
    alone = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300, env=alone)
    assert done.returncode == 0, done.stderr[-3000:]
    assert checkpoint.load(tmp_path / "o" / loop.LAST)["step"] == 3


SMALL_NET = {"network": "small", "precision": "bfloat16"}


def test_small_network_rehearses_ink_and_its_weights_draw(tmp_path):
    """Pre-training without discriminators, then drawings and portraits without any in turn; the result is a style."""
    from pyapdraw import align, models
    from pyapdraw.artist import Artist

    data, others = plain(tmp_path / "data", names=("a", "b")), plain(tmp_path / "others", names=("c", "d", "e"))
    first = trained(data, tmp_path / "one", 1, stage="pretrain", adversarial=False, **SMALL_NET)
    assert not list((tmp_path / "one").glob("sheet*")) and first.config.adversarial is False
    weights = {"weights.boundary": 5.0, "weights.tone": 5.0, "weights.between": 1.0, "weights.local": 1.0}
    rehearsal = {"rehearsal.folder": str(others), "rehearsal.share": 0.5, "rehearsal.without": ["e"]}
    start = str(tmp_path / "one" / loop.LAST)
    trained(data, tmp_path / "two", 8, start=start, reach_px=8.0, **SMALL_NET, **weights, **rehearsal)
    lines = [json.loads(line) for line in (tmp_path / "two" / "log.jsonl").read_text().splitlines()]
    taught = ["gan" not in line for line in lines]
    assert len(lines) == 8 and any(taught) and not all(taught)
    assert all(("local" in line) != alone and "boundary" in line for line, alone in zip(lines, taught))
    path = tmp_path / "two" / apdrawing.WEIGHTS
    net = models.load(path)
    assert net.config.width == 16 and checkpoint.same(
        dict(net.state_dict()), checkpoint.load(tmp_path / "two" / loop.LAST)["trainer"]["average"]["tensors"]
    )
    pixels = np.zeros((512, 512, 3), np.uint8)
    style = Artist("apdrawing", weights=path).style
    assert style.draw_crop(pixels, np.full((512, 512), 255, np.uint8), align.template(512)).shape == (512, 512)


def test_a_checkpoint_of_0_1_0_goes_on(tmp_path):
    """It calls the discriminators judges."""
    data = plain(tmp_path / "data", names=("a",))
    whole = trained(data, tmp_path / "whole", 2)
    trained(data, tmp_path / "cut", 1)
    kept = checkpoint.load(tmp_path / "cut" / loop.LAST)
    kept["trainer"]["judges"] = kept["trainer"].pop("discriminators")
    checkpoint.save(tmp_path / "cut" / loop.LAST, kept)
    cut = trained(data, tmp_path / "cut", 2)
    assert checkpoint.same(whole.state()["discriminators"], cut.state()["discriminators"])


def test_small_network_resumes_to_the_bit(tmp_path):
    data, others = plain(tmp_path / "data", names=("a",)), plain(tmp_path / "others", names=("c",))
    rehearsal = {"rehearsal.folder": str(others), "rehearsal.share": 0.5}
    whole = trained(data, tmp_path / "whole", 4, **SMALL_NET, **rehearsal)
    trained(data, tmp_path / "cut", 2, **SMALL_NET, **rehearsal, fall=0.25)
    cut = trained(data, tmp_path / "cut", 4, **SMALL_NET, **rehearsal)
    assert checkpoint.same(whole.state()["generator"], cut.state()["generator"])


def test_outside_the_face_alone_ink_is_the_teacher():
    from pyapdraw.models.apdrawing import Drawings

    target, other = torch.zeros(1, 1, 64, 64), torch.ones(1, 1, 64, 64)
    changed = apdrawing._outside_face(Drawings(*[other] * 9), target)
    for drawing in (changed.drawing, changed.whole, changed.fused):
        assert drawing[0, 0, 37, 32] == 0 and drawing[0, 0, 4, 4] == 1
    assert changed.hair is other


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"network": "tiny"}, "network: 'tiny' given"),
        ({"rehearsal.share": 0.5}, "both or none expected"),
        ({"rehearsal.share": 1.0, "rehearsal.folder": "x"}, "the share below 1"),
        ({"rehearsal.share": 0.5, "rehearsal.folder": "x", "schedule.batch": 2}, "1 expected with a rehearsal"),
        ({"rehearsal.without": [1]}, "without"),
    ],
)
def test_settings_of_the_small_network_that_do_not_fit(changes, message):
    with pytest.raises(BadInput, match=message):
        apdrawing.read_config(None, **changes)


def test_names_held_out_and_left_out(tmp_path):
    data = plain(tmp_path / "data", names=("a", "b", "c"))
    trainer = trained(data, tmp_path / "out", 1, held_names=["b"], without=["c"])
    assert [item.name for item in trainer.judged.items] == ["b"]
    with pytest.raises(BadInput, match="held_names: 'x' given, one of a, b, c expected"):
        trained(data, tmp_path / "other", 1, held_names=["x"])


@pytest.fixture(scope="module")
def auxiliary_networks(tmp_path_factory):
    """Of the published layout, for drawings of 64 px."""
    from pyapdraw import models, weights

    torch.manual_seed(1)
    net = models.create("apdrawing.auxiliary", ngf=2, levels=6)
    tensors = {name: value.numpy() for name, value in net.state_dict().items()}
    folder = tmp_path_factory.mktemp("checkpoints") / "auxiliary"
    weights.export_checkpoint(weights.Weights("apdrawing", "auxiliary", {"ngf": 2, "levels": 6}, tensors), folder)
    return folder


@pytest.mark.parametrize("form", ["ours", "paper", "official", "none"])
def test_every_form_of_the_distance_transform_loss_trains(tmp_path, auxiliary_networks, form):
    data = plain(tmp_path / "data")
    more = {"auxiliary": str(auxiliary_networks)} if form == "official" else {}
    trainer = trained(data, tmp_path / "out", 2, distance_transform=form, **more)
    terms = json.loads((tmp_path / "out" / "log.jsonl").read_text().splitlines()[0])
    assert ("dt_to_drawing" in terms and "dt_to_target" in terms) == (form != "none")
    if form == "official":
        sample = apdrawing.collate([trainer.shown[0, 0]])
        drawing = sample.drawing.flip(-1).requires_grad_()
        found, again, other = (trainer._chamfer(drawing, sample.drawing, [seed]) for seed in (3, 3, 4))
        assert torch.equal(found.total, again.total) and not torch.equal(found.to_drawing, other.to_drawing)
        assert found.to_drawing.requires_grad and not found.to_target.requires_grad  # the constant half
        net = trainer.auxiliary
        net.config = apdrawing.dataclasses.replace(net.config, dropout="off")
        expected = apdrawing.losses.distance_transform_official(drawing, sample.drawing, net)
        assert torch.equal(trainer._chamfer(drawing, sample.drawing, [3]).total, expected.total)


def test_the_official_form_resumes_to_the_bit(tmp_path, auxiliary_networks):
    data, form = plain(tmp_path / "data"), {"distance_transform": "official", "auxiliary": str(auxiliary_networks)}
    whole = trained(data, tmp_path / "whole", 3, fall=0.0, **form)
    trained(data, tmp_path / "parts", 1, fall=0.0, **form)
    parts = trained(data, tmp_path / "parts", 3, fall=0.0, **form)
    assert checkpoint.same(whole.state()["generator"], parts.state()["generator"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"distance_transform": "official"}, "published networks are expected with 'official' alone"),
        ({"auxiliary": "x"}, "published networks are expected with 'official' alone"),
        ({"distance_transform": "official", "auxiliary": "x", "lines": True}, "given with lines"),
        ({"distance_transform": "official", "auxiliary": "x", "reach_px": 3.0}, "given with reach_px = 3.0"),
        ({"epochs": [-1, 2]}, r"epochs: \[-1, 2\] given"),
        ({"epochs": 3}, "epochs = 3 given"),
    ],
)
def test_settings_of_the_published_training_that_do_not_fit(changes, message):
    with pytest.raises(BadInput, match=message):
        apdrawing.read_config(None, **changes)


def test_auxiliary_networks_that_do_not_fit(tmp_path):
    from pyapdraw import models, weights

    net = models.create("apdrawing.auxiliary", ngf=1, levels=7)
    tensors = {name: value.numpy() for name, value in net.state_dict().items()}
    deep = tmp_path / "deep.safetensors"
    weights.write(deep, weights.Weights("apdrawing", "auxiliary", {"ngf": 1, "levels": 7}, tensors))
    for path, error, told in (
        (deep, BadInput, r"size_px: 64 given, a multiple of 128 px expected for .*deep\.safetensors"),
        (tmp_path / "nowhere", WeightsError, "nowhere: no such file"),
        ("apdrawing", WeightsError, "small of apdrawing given, auxiliary of apdrawing expected"),
    ):
        with pytest.raises(error, match=told):
            trained(plain(tmp_path / "data"), tmp_path / "out", 1, distance_transform="official", auxiliary=str(path))


# The published schedule -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("full", "falling"), [(300, 0), (100, 100), (3, 2), (0, 4)])
def test_rates_follow_the_published_rule(full, falling):
    """1 - max(0, e + 2 - niter) / (niter_decay + 1) after e epochs, whatever an epoch's steps are."""
    config = apdrawing.read_config(None, epochs=[full, falling], **{"schedule.batch": 2})
    steps = apdrawing.with_steps(config, 7).schedule.steps
    assert steps == -(-7 * (full + falling) // 2)
    for step in range(1, steps + 1):
        finished = 2 * (step - 1) // 7
        expected = 2e-4 * (1 - max(0, finished + 2 - full) / (falling + 1))
        assert apdrawing.rate_of(config, step, 7) == pytest.approx(expected, abs=1e-12)
    assert apdrawing.rate_of(config, steps, 7) == 0


def test_the_published_recipe_is_the_published_one(shared_dir):
    """Figures of the authors' own options and of their schedule, as they were read out of their code."""
    published = json.loads((shared_dir / "reference" / "apdrawing_width4" / "losses.json").read_text())
    options, rates = published["opts"], published["lr_schedule_niter300_decay0"]
    config = apdrawing.read_config("apdrawing_published", auxiliary="somewhere")
    assert (config.rate, config.betas) == (options["lr"], (options["beta1"], 0.999))
    assert config.epochs == (options["niter"], options["niter_decay"])
    assert (config.weights.l1, config.weights.local) == (options["lambda_L1"], options["lambda_local"])
    assert config.weights.distance_transform == options["lambda_chamfer"] == options["lambda_chamfer2"]
    assert (config.weights.adversarial, config.weights.local_adversarial) == (1.0, 0.25)  # gan_loss_strategy 2
    assert not (config.weights.between or config.weights.boundary or config.weights.tone)
    for name, rate in rates.items():
        number = int(name.removeprefix("epoch"))
        assert apdrawing.rate_of(config, 70 * number, 70) == pytest.approx(rate, abs=1e-15)
        assert apdrawing.rate_of(config, 70 * (number - 1) + 1, 70) == pytest.approx(rate, abs=1e-15)
    assert (config.size_px, config.ngf, config.ndf, config.schedule.batch) == (512, 64, 64, 1)
    first = apdrawing.read_config("apdrawing_published_pretrain")
    assert (first.stage, first.epochs, first.rate, first.distance_transform) == ("pretrain", (10, 0), 2e-4, "none")


def test_epochs_are_trained_and_the_last_steps_weights_kept(tmp_path):
    data = plain(tmp_path / "data", names=("a", "b", "c"))
    recipe = ROOT / "pyapdraw" / "training" / "recipes" / "apdrawing_published_pretrain.toml"
    config = apdrawing.read_config(recipe, epochs=[2, 1], **SMALL)
    trainer = apdrawing.train(data, tmp_path / "out", config, quiet=True)
    assert checkpoint.load(tmp_path / "out" / loop.LAST)["step"] == 9
    assert trainer.optimizers[0].param_groups[0]["lr"] == 0
    assert checkpoint.same(dict(trainer.generator.state_dict()), trainer.average.tensors)


def test_a_recipe_that_is_none(tmp_path):
    with pytest.raises(BadInput, match=r"no_such_recipe: No such file.* recipes apdrawing, .*apdrawing_published"):
        apdrawing.read_config("no_such_recipe")


@pytest.mark.parametrize("name", ["apdrawing", "apdrawing_pretrain"])
def test_recipes_can_be_read(name):
    config = apdrawing.read_config(name, **({} if "pre" in name else {"rehearsal.folder": "portraits"}))
    assert config.network == "small" and config.schedule.steps > 100


def test_the_papers_network_trains_with_the_numbers_of_the_landmark_files(tmp_path):
    """As published: rectangles where the file's numbers, taken for indices from 0, say. Ours counts from 0."""
    data = plain(tmp_path / "data", names=("a",))
    rows = (data / "landmarks" / "a.txt").read_text().splitlines()
    filed = torch.tensor([[[float(value) for value in row.split()] for row in rows]])
    for network, moved in (("full", 0), ("small", 1)):
        trainer = trained(data, tmp_path / network, 1, network=network)
        sample = apdrawing.collate([trainer.shown[0, 0]])
        expected = apdrawing.regions.region_centres(filed - moved, 64)
        assert torch.equal(trainer._centres(sample.landmarks), expected)
        seen = []
        hook = trainer.generator.register_forward_pre_hook(lambda net, given, into=seen: into.append(given[1]))
        list(trainer.draw(trainer.shown))
        hook.remove()
        assert torch.equal(seen[0], expected)
