"""The Triton baseline of the GPU benchmark is exact; in Triton's interpreter where there is no GPU."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[1] / "bench" / "gpu" / "triton_edt.py"


def test_agrees_with_the_definition():
    for package in ("torch", "triton"):
        pytest.importorskip(package, reason="the baseline is written in Triton")
    import torch

    interpreted = {} if torch.cuda.is_available() else {"TRITON_INTERPRET": "1"}
    done = subprocess.run(
        [sys.executable, SCRIPT], env={**os.environ, **interpreted}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "agrees with the definition" in done.stdout
