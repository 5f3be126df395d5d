"""The loop around a training: checkpoints, the order of samples, resuming, averages, several processes."""

import json
import math
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="training needs torch")

from torch import nn  # noqa: E402

from pyapdraw import files  # noqa: E402
from pyapdraw.errors import OutputError, WeightsError  # noqa: E402
from pyapdraw.training import checkpoint, loop  # noqa: E402

ROOT = Path(__file__).resolve().parents[1]


class Numbers(torch.utils.data.Dataset):
    """Samples that depend on epoch and index only."""

    def __init__(self, count=7):
        self.count = count

    def __len__(self):
        return self.count

    def __getitem__(self, at):
        epoch, index = at
        return torch.tensor([float(index), float(epoch % 3), 1.0])


class Line:
    """Fits y = sum(x): a network, Adam and an average, with dropout whose noise comes from the step."""

    def __init__(self, poison_at=0):
        torch.manual_seed(0)
        self.net = nn.Linear(3, 1)
        self.optimizer = torch.optim.Adam(self.net.parameters(), 1e-2)
        self.average = loop.Average(self.net, 0.9)
        self.poison_at = poison_at
        self.seen = []

    def state(self):
        return {
            "net": self.net.state_dict(), "optimizer": self.optimizer.state_dict(), "average": self.average.state()
        }  # fmt: skip

    def restore(self, state, where):
        self.net.load_state_dict(state["net"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.average.restore(state["average"])

    def step(self, batches, number):
        self.optimizer.zero_grad()
        total = 0.0
        for batch in batches:
            self.seen.append(batch[:, 0].tolist())
            noise = torch.rand(batch.shape, generator=torch.Generator().manual_seed(number))
            loss = (self.net(batch * (noise > 0.2)) - batch.sum(1, keepdim=True)).square().mean() / len(batches)
            if number == self.poison_at:
                loss = loss * math.nan
            loss.backward()
            total += loss.detach()
        values = loop.check_finite({"loss": total}, number)
        loop.share_gradients(list(self.net.parameters()))
        self.optimizer.step()
        self.average.update(self.net)
        return values

    def sheet(self, path):
        path.write_bytes(b"sheet")

    def held_out(self):
        return float((self.net.weight - 1).abs().sum())


def trained(out, steps, **changes):
    trainer = Line(changes.pop("poison_at", 0))
    schedule = loop.Schedule(**({"steps": steps, "batch": 2, "sheet_every": 0, "seed": 3} | changes))
    loop.run(trainer, Numbers(), torch.stack, schedule, out, quiet=True)
    return trainer


# -- checkpoints ------------------------------------------------------------------------------------------------------


def test_a_state_comes_back_to_the_bit(tmp_path):
    net = nn.Sequential(nn.Conv2d(2, 3, 1), nn.BatchNorm2d(3))
    optimizer = torch.optim.AdamW(net.parameters(), 1e-3)
    net(torch.randn(1, 2, 4, 4)).sum().backward()
    optimizer.step()
    state = {
        "net": net.state_dict(), "optimizer": optimizer.state_dict(), "rng": torch.get_rng_state(), "step": 3,
        "shapes": [(1, 2), None, "text", 0.1, True], "empty": {}, "none": torch.empty(0),
        "half": torch.randn(3).bfloat16(),
    }  # fmt: skip
    checkpoint.save(tmp_path / "a.safetensors", state)
    again = checkpoint.load(tmp_path / "a.safetensors")
    assert checkpoint.same(dict(state), again)
    assert again["optimizer"]["state"].keys() == state["optimizer"]["state"].keys()  # integers stay integers
    assert not checkpoint.same(state, again | {"step": 4}) and not checkpoint.same(torch.ones(2), torch.zeros(2))
    optimizer.load_state_dict(again["optimizer"])


def test_tensors_that_share_memory_are_stored_alone(tmp_path):
    whole = torch.arange(6.0)
    checkpoint.save(tmp_path / "a", {"whole": whole, "part": whole[2:4], "turned": whole.view(2, 3).T})
    again = checkpoint.load(tmp_path / "a")
    assert again["part"].tolist() == [2, 3] and again["turned"].tolist() == [[0, 3], [1, 4], [2, 5]]


@pytest.mark.parametrize("spoil", ["truncated", "foreign", "missing", "plain weights", "header"])
def test_a_bad_checkpoint_is_refused_by_name(tmp_path, spoil):
    from safetensors.torch import save_file

    path = tmp_path / "last.safetensors"
    checkpoint.save(path, {"x": torch.ones(1000), "step": 1})
    if spoil == "truncated":
        path.write_bytes(path.read_bytes()[:2000])
    elif spoil == "foreign":
        path.write_bytes(b"\x80\x04hello")
    elif spoil == "missing":
        path.unlink()
    elif spoil == "plain weights":
        save_file({"x": torch.ones(2)}, path)
    else:
        save_file({"x": torch.ones(2)}, path, {checkpoint.KEY: '{"dict": [["x", {"tensor": "7"}]]}'})
    with pytest.raises(WeightsError, match=r"last\.safetensors"):
        checkpoint.load(path)


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "last.safetensors"
    checkpoint.save(path, {"step": 1})

    def no_space(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", no_space)
    with pytest.raises(OutputError, match=r"last\.safetensors: could not be written: no space left"):
        checkpoint.save(path, {"step": 2})
    assert checkpoint.load(path) == {"step": 1} and [p.name for p in tmp_path.iterdir()] == ["last.safetensors"]


def test_an_interrupted_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "last.safetensors"
    checkpoint.save(path, {"step": 1})

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(files.os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        checkpoint.save(path, {"step": 2})
    assert checkpoint.load(path) == {"step": 1} and [p.name for p in tmp_path.iterdir()] == ["last.safetensors"]


def test_only_tensors_and_plain_values(tmp_path):
    with pytest.raises(TypeError, match="not PosixPath"):
        checkpoint.save(tmp_path / "a", {"x": tmp_path})


# -- order ------------------------------------------------------------------------------------------------------------


def test_every_epoch_has_every_sample_once_in_its_own_order():
    stream = iter(loop.Ordered(7, seed=1))
    epochs = [[next(stream) for _ in range(7)] for _ in range(3)]
    assert [sorted(i for _, i in e) for e in epochs] == [list(range(7))] * 3
    assert [{epoch for epoch, _ in e} for e in epochs] == [{0}, {1}, {2}]
    assert epochs[0] != epochs[1]
    late = iter(loop.Ordered(7, seed=1, begin=9))
    assert [next(late) for _ in range(5)] == [*epochs[1][2:]]


def test_processes_share_an_epoch(monkeypatch):
    shares = []
    for number in range(3):
        monkeypatch.setattr(loop, "rank", lambda number=number: number)
        monkeypatch.setattr(loop, "ranks", lambda: 3)
        shares.append(loop.Ordered(7, seed=1).order(0))
    assert [len(s) for s in shares] == [3, 3, 3]
    assert {i for share in shares for i in share} == set(range(7))


def test_workers_change_nothing():
    alone = loop.feed(Numbers(), loop.Schedule(batch=3), torch.stack, 2)
    helped = loop.feed(Numbers(), loop.Schedule(batch=3, workers=2), torch.stack, 2)
    for _ in range(6):
        assert torch.equal(next(alone), next(helped))


def test_workers_that_are_told_to_end_are_no_failure():
    batches = loop.feed(Numbers(), loop.Schedule(batch=3, workers=1), torch.stack, 0)
    next(batches)
    (worker,) = batches._workers
    # By another process than this, as `timeout` and batch systems do, who signal the whole group.
    subprocess.run([sys.executable, "-c", f"import os; os.kill({worker.pid}, {int(signal.SIGTERM)})"], check=True)
    worker.join(30)
    assert worker.exitcode == 0


# -- resuming ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("accumulate", [1, 3])
def test_a_resumed_training_has_the_bits_of_a_whole_one(tmp_path, accumulate):
    whole = trained(tmp_path / "whole", 23, accumulate=accumulate)
    trained(tmp_path / "parts", 9, accumulate=accumulate)
    resumed = trained(tmp_path / "parts", 23, accumulate=accumulate)
    assert checkpoint.same(whole.state(), resumed.state())
    assert whole.seen[9 * accumulate :] == resumed.seen
    steps = [json.loads(line)["step"] for line in (tmp_path / "parts" / "log.jsonl").read_text().splitlines()]
    assert steps == [9, 10, 20, 23]


KILLED = """
import os, signal, sys
sys.path[:0] = [{tests!r}, {root!r}]
import torch
from pathlib import Path
from test_training_loop import Line, Numbers
from pyapdraw.training import loop

class Killed(Line):
    def step(self, batches, number):
        values = super().step(batches, number)
        if number == 12:
            os.kill(os.getpid(), signal.SIGKILL)
        return values

loop.run(Killed(), Numbers(), torch.stack, loop.Schedule(steps=30, batch=2, sheet_every=0, seed=3, checkpoint_every=1),
         Path({out!r}), quiet=True)
"""


def test_killed_in_a_step_only_that_step_is_lost(tmp_path):
    code = KILLED.format(tests=str(ROOT / "tests"), root=str(ROOT), out=str(tmp_path / "killed"))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert checkpoint.load(tmp_path / "killed" / loop.LAST)["step"] == 11
    resumed = trained(tmp_path / "killed", 30)
    assert checkpoint.same(trained(tmp_path / "whole", 30).state(), resumed.state())


def test_a_loss_that_is_no_number_stops_and_keeps_the_last_good_state(tmp_path):
    with pytest.raises(loop.Diverged, match=r"step 8: the loss 'loss' is nan"):
        trained(tmp_path, 20, poison_at=8, checkpoint_every=1)
    kept = checkpoint.load(tmp_path / loop.LAST)
    assert kept["step"] == 7
    assert all(bool(t.isfinite().all()) for t in kept["trainer"]["net"].values())


def test_it_stops_when_the_held_out_figure_no_longer_falls(tmp_path):
    class Stuck(Line):
        figures = iter([3.0, 2.0, 2.5, 2.5, 2.5, 1.0])

        def held_out(self):
            return next(self.figures)

    schedule = loop.Schedule(steps=100, batch=2, judge_every=5, patience=3, sheet_every=10)
    assert loop.run(Stuck(), Numbers(), torch.stack, schedule, tmp_path, quiet=True) == 25
    best = checkpoint.load(tmp_path / "best.safetensors")
    assert best["step"] == 10 and best["best"] == 2.0
    assert sorted(p.name for p in tmp_path.glob("sheet-*")) == ["sheet-000010.png", "sheet-000020.png"]


def test_progress_does_not_fill_a_file(tmp_path, capfd):
    schedule = loop.Schedule(steps=200, batch=2, sheet_every=0, log_every=10)
    loop.run(Line(), Numbers(), torch.stack, schedule, tmp_path)
    shown = capfd.readouterr().err
    assert "200/200" in shown and len(shown) < 500


def test_the_average_follows(tmp_path):
    trainer = trained(tmp_path, 40)
    again = Line()
    average = {n: t.clone() for n, t in again.net.state_dict().items()}
    schedule = loop.Schedule(steps=40, batch=2, seed=3)
    stream = loop.feed(Numbers(), schedule, torch.stack, 0)
    for number in range(1, 41):
        again.step([next(stream)], number)
        keep = min(0.9, (1 + number) / (10 + number))
        average = {n: keep * average[n] + (1 - keep) * t for n, t in again.net.state_dict().items()}
    for name, tensor in average.items():
        torch.testing.assert_close(trainer.average.tensors[name], tensor)


def test_checkpoints_cost_a_small_share_of_the_time(tmp_path, monkeypatch):
    clock, cost, written = [0.0], 2.0, []
    monkeypatch.setattr(loop.time, "monotonic", lambda: clock[0])

    def slow(path, state):
        clock[0] += cost
        written.append(state)

    monkeypatch.setattr(loop.checkpoint, "save", slow)
    saver = loop.Saver(tmp_path / "x", 0)
    for step in range(200):
        clock[0] += 1.0
        saver.maybe(lambda step=step: step, step)
    assert written[0] == 0 and len(written) * cost <= 0.06 * clock[0] + cost


# -- several processes ------------------------------------------------------------------------------------------------

TWO = """
import os, sys
sys.path[:0] = [{tests!r}, {root!r}]
import torch
from pathlib import Path
from test_training_loop import Line, Numbers
from pyapdraw.training import checkpoint, loop

loop.join("cpu")
trainer = Line()
schedule = loop.Schedule(steps=12, batch=1, sheet_every=0, seed=3, log_every=1)
loop.run(trainer, Numbers(8), torch.stack, schedule, Path({out!r}), quiet=True)
checkpoint.save(Path({out!r}) / f"rank{{loop.rank()}}", trainer.state())
os.write(1, f"{{loop.ranks()}}\\n".encode())  # in one piece: both write to one pipe
"""


def test_two_processes_of_torchrun_agree(tmp_path):
    script = tmp_path / "two.py"
    script.write_text(TWO.format(tests=str(ROOT / "tests"), root=str(ROOT), out=str(tmp_path / "out")))
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", str(script)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=300, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    assert done.returncode == 0, done.stderr[-3000:]
    states = [checkpoint.load(tmp_path / "out" / f"rank{n}") for n in range(2)]
    assert done.stdout.split() == ["2", "2"] and checkpoint.same(*states)
    assert checkpoint.load(tmp_path / "out" / loop.LAST)["step"] == 12
    assert len((tmp_path / "out" / "log.jsonl").read_text().splitlines()) == 12
