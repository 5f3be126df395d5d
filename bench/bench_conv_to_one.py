"""The last layers of drawing networks at 512 px beside oneDNN (through torch) and, where installed, OpenVINO.

    python bench/bench_conv_to_one.py [--threads 1 2] [--seconds 1]

All end in tanh, which is part of every candidate. bfloat16: x, weights and results; torch on channels-last tensors,
with the reflected border as a padding of its own, since it has no other. OpenVINO gets the graph in float32 with its
inference precision set to bfloat16, and x and the result in bfloat16, channels last, as well.
"""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from cases_conv_to_one import LAYERS
from record import Suite

from pyapdraw import _C
from pyapdraw.ops.conv_to_one import in_torch


def openvino_run(x, weight, bias, up, padding, mode, precision, threads):
    """A call that runs the layer in OpenVINO, or None where it is not installed."""
    try:
        import openvino as ov
        from openvino import opset13 as op
    except ImportError:
        return None
    given = op.parameter(list(x.shape), np.float32)
    node, pads = given, [0 if mode == "reflect" else padding] * 2
    if mode == "reflect":
        edge = np.array([0, 0, padding, padding], np.int64)
        node = op.pad(given, edge, edge, "reflect")
    if up == 1:
        node = op.convolution(node, weight, [1, 1], pads, pads, [1, 1])
    else:
        node = op.convolution_backprop_data(node, weight, [up, up], pads_begin=pads, pads_end=pads)
    node = op.tanh(op.add(node, bias.reshape(1, 1, 1, 1)))
    options = {
        "INFERENCE_PRECISION_HINT": precision,
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": 1,
        "PERFORMANCE_HINT": "LATENCY",
    }
    graph = ov.Model([node], [given])
    memory = np.ascontiguousarray(x.transpose(0, 2, 3, 1))
    kind = ov.Type.f32
    if precision == "bf16":  # what the layer before would hand over
        kind, memory = ov.Type.bf16, (memory.view(np.uint32) >> 16).astype(np.uint16)
    steps = ov.preprocess.PrePostProcessor(graph)
    steps.input().tensor().set_element_type(kind).set_layout(ov.Layout("NHWC"))
    steps.input().model().set_layout(ov.Layout("NCHW"))
    steps.output().tensor().set_element_type(kind)
    model = ov.Core().compile_model(steps.build(), "CPU", options)
    request, kept = model.create_infer_request(), (model, memory)  # OpenVINO does not own what it is given
    request.set_input_tensor(ov.Tensor(memory, ov.Shape(list(memory.shape)), kind))

    def run(kept=kept):
        request.infer()
        return request.get_output_tensor().data

    return run


def compare(suite, layer, dtype, threads):
    import torch

    name, channels, side, kernel, up, padding, mode = layer
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(1, channels, side, side, generator=generator)
    shape = (1, channels, kernel, kernel) if up == 1 else (channels, 1, kernel, kernel)
    weight, bias = torch.randn(shape, generator=generator) / 50, torch.randn(1, generator=generator)
    x, weight, bias = x.to(dtype).contiguous(memory_format=torch.channels_last), weight.to(dtype), bias.to(dtype)
    wide = [t.float() for t in (x, weight, bias)]
    expected = torch.tanh(in_torch(*wide, up, padding, mode))
    out, context = torch.empty(expected.shape, dtype=dtype), _C.Context(threads=threads)
    how = _C.ConvToOne(up, padding, mode, "tanh")
    precision = "bf16" if dtype == torch.bfloat16 else "f32"
    candidates = {
        "pyapdraw": lambda: _C.conv_to_one(x, weight, bias, out, how, context),
        "oneDNN": lambda: torch.tanh(in_torch(x, weight, bias, up, padding, mode)),
    }
    peer = openvino_run(*(t.contiguous().numpy() for t in wide), up, padding, mode, precision, threads)
    if peer is not None:
        candidates["OpenVINO"] = peer

    def check():
        candidates["pyapdraw"]()
        tolerance = 1e-4 if dtype == torch.float32 else 1e-2
        torch.testing.assert_close(out.float(), expected, rtol=tolerance, atol=tolerance)
        if peer is not None:
            theirs = torch.from_numpy(np.array(peer())).view(dtype).float()
            torch.testing.assert_close(theirs, expected, rtol=3 * tolerance, atol=3 * tolerance)

    asked = dtype == torch.bfloat16
    peers = [n for n in candidates if n != "pyapdraw"]
    flop = 2.0 * channels * kernel * kernel * side * side
    must, aim = (dict.fromkeys(peers, least) if asked else None for least in (4, 7))
    case, pixels = f"{name}, {precision}", out.numel()
    moved = x.element_size() * (x.numel() + weight.numel() + out.numel())
    suite.compare(
        case, candidates, check=check, threads=threads, must=must, aim=aim, pixels=pixels, flop=flop, moved_bytes=moved
    )


def main() -> int:
    suite = Suite("conv_to_one", __doc__)
    try:
        import torch
    except ImportError:
        print("the peer is torch, and torch is not installed")
        return 0
    for threads in suite.threads:
        torch.set_num_threads(threads)
        for dtype in (torch.bfloat16, torch.float32):
            for layer in LAYERS:
                compare(suite, layer, dtype, threads)
    return suite.finish()


if __name__ == "__main__":
    raise SystemExit(main())
