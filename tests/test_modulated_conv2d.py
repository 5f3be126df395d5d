"""modulated_conv2d against its float64 definition and the published code's values: any shape, layout, option, thread
count and instruction set; what cannot work is named. Gradients: test_modulated_conv2d_gradients.py."""

import json

import numpy as np
import pytest
from arrays import Guarded, laid_out
from cases_modulated_conv2d import FILTER, SHAPES, assert_close, operands, size_of_sums
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_modulated_conv2d import ACTIVATIONS, GAINS
from reference_modulated_conv2d import modulated_conv2d as reference

from pyapdraw import _C
from pyapdraw.errors import BadInput
from pyapdraw.ops import modulated_conv2d

LAYOUTS = st.sampled_from(["plain", "channels_last", "transposed", "reversed", "spaced"])
TOLERANCE = {"float32": 1e-5, "bfloat16": 1e-2}
needs_kernel = pytest.mark.skipif(not hasattr(_C, "modulated_conv2d"), reason="this build has no kernel for it")


@st.composite
def layers(draw, largest=9):
    """Operands by name and options."""
    side, channels = st.integers(0, largest), st.integers(1, 2 * largest)
    if draw(st.integers(0, 9)) == 0:  # large enough for every method that the kernel chooses between
        side, channels = st.integers(15, 18), st.integers(32, 36)
    n, k = draw(st.integers(0, 3)), draw(st.sampled_from([1, 3]))
    up, down = draw(st.sampled_from([(1, 1), (2, 1), (1, 2)]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    noise = draw(st.sampled_from([0, 1, n])) if n else 1
    shape = (n, draw(channels), draw(channels), draw(side), draw(side), k, up, down)
    x, weight, styles, grain, bias = operands(rng, *shape, noise=noise)
    taps = draw(st.sampled_from([None, 1, 2, 3, 4, 5, (2, 3), (4, 4)]))
    if isinstance(taps, tuple):
        taps = np.outer(rng.normal(size=taps[0]), rng.normal(size=taps[1]))
    elif taps:
        taps = rng.normal(size=taps)
    options = {
        "demodulate": draw(st.booleans()),
        "up": up,
        "down": down,
        "resample_filter": None if taps is None else taps.astype(np.float32),
        "noise": grain,
        "bias": bias if draw(st.booleans()) else None,
        "activation": draw(st.sampled_from(["linear", "relu", "lrelu"])),
        "gain": draw(st.sampled_from([1.0, 2**0.5, 0.7])),
        "clamp": draw(st.sampled_from([None, 256.0, 0.8])),
    }
    return (x, weight, styles), options


@settings(max_examples=700, deadline=None)
@given(layers(), LAYOUTS, LAYOUTS, st.integers(0, 3))
def test_float32_is_the_definition(layer, layout, weight_layout, mirrored):
    main, options = layer
    expected = reference(*main, **options)
    x, weight, styles = (laid_out(a, name) for a, name in zip(main, (layout, weight_layout, "reversed")))
    given_options = dict(options)
    for name in ("noise", "bias", "resample_filter"):
        if mirrored & 1 and options[name] is not None:
            given_options[name] = np.flip(np.ascontiguousarray(np.flip(options[name])))
    y = modulated_conv2d(x, weight, styles, **given_options)
    assert y.dtype == np.float32
    assert_close(y, expected, size_of_sums(*main, **options), TOLERANCE["float32"])


@settings(max_examples=500, deadline=None)
@given(layers(), st.sampled_from(["contiguous_format", "channels_last"]), st.booleans())
def test_bfloat16_is_the_definition(layer, memory_format, wide_weight):
    torch = pytest.importorskip("torch", reason="numpy has no bfloat16")
    main, options = layer
    x, weight = (torch.from_numpy(a).bfloat16() for a in main[:2])
    weight = torch.from_numpy(main[1]) if wide_weight else weight
    exact = (x.double().numpy(), weight.double().numpy(), main[2])
    small = {k: torch.from_numpy(v) if isinstance(v, np.ndarray) else v for k, v in options.items()}
    x = x.contiguous(memory_format=getattr(torch, memory_format))
    y = modulated_conv2d(x, weight, torch.from_numpy(main[2]), **small)
    assert y.dtype == torch.bfloat16
    scale = size_of_sums(*exact, **options)
    assert_close(y.double().numpy(), reference(*exact, **options), scale, TOLERANCE["bfloat16"])


def published(shared_dir):
    """(operands and results, options) of the published code's cases, in float64."""
    folder = shared_dir / "reference" / "stylegan2_ops"
    values = np.load(folder / "modconv.npz")
    for case in json.loads((folder / "modconv.json").read_text()):
        arrays = {k.partition("/")[2]: values[k] for k in values.files if k.startswith(case["id"] + "/")}
        options = {"demodulate": case["demodulate"], "noise": arrays.get("noise")}
        options |= {way: 2 if case["resample"] == f"{way}2" else 1 for way in ("up", "down")}
        yield arrays, options


def test_published_values(shared_dir):
    for arrays, options in published(shared_dir):
        exact = (arrays["x"], arrays["w"], arrays["s"])
        by_definition = reference(*exact, resample_filter=FILTER, **options)
        np.testing.assert_allclose(by_definition, arrays["y_f64"], atol=1e-12)
        narrow = [a.astype(np.float32) for a in exact]
        for taps in (FILTER, np.outer(FILTER, FILTER)):
            y = modulated_conv2d(*narrow, resample_filter=taps, **options)
            assert_close(y, arrays["y_f64"], 0, 1e-5)


def layer_of(name, seed=0, **changed):
    *shape, up, down = SHAPES[name]
    x, weight, styles, noise, bias = operands(np.random.default_rng(seed), *shape, up, down)
    options = {
        "demodulate": shape[5] == 3,
        "up": up,
        "down": down,
        "resample_filter": FILTER,
        "noise": noise,
        "bias": bias,
    }
    options |= {"activation": "lrelu", "gain": 2**0.5, "clamp": None} | changed
    return (x, weight, styles), options


def run_native(main, options, out, **context):
    """The native call, as the wrapper makes it."""
    absent = np.empty(0, np.float32)
    rest = [
        absent if options[n] is None else options[n].astype(np.float32) for n in ("resample_filter", "noise", "bias")
    ]
    clamp = -1.0 if options["clamp"] is None else options["clamp"]
    fused = (options["activation"], 0.2, options["gain"], clamp)
    _C.modulated_conv2d(
        *main, *rest, out, options["demodulate"], options["up"], options["down"], *fused, _C.Context(**context)
    )


def output_shape(main, options):
    n, _, h, w = main[0].shape
    return (n, len(main[1]), *(side * options["up"] // options["down"] for side in (h, w)))


@needs_kernel
@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("layout", ["plain", "reversed", "spaced"])
def test_writes_its_output_and_nothing_else(name, layout):
    main, options = layer_of(name)
    out = Guarded(output_shape(main, options), np.float32, layout)
    run_native(main, options, out.view)
    out.check()
    assert_close(out.view, reference(*main, **options), size_of_sums(*main, **options), TOLERANCE["float32"])


@needs_kernel
@pytest.mark.parametrize("name", SHAPES)
def test_any_number_of_threads_gives_the_same_bits(name):
    main, options = layer_of(name)
    outs = [np.empty(output_shape(main, options), np.float32) for _ in range(4)]
    for out, threads in zip(outs, (1, 2, 3, 8)):
        run_native(main, options, out, threads=threads)
    assert all(out.tobytes() == outs[0].tobytes() for out in outs)


@needs_kernel
@pytest.mark.parametrize("dtype", TOLERANCE)
def test_any_number_of_threads_gives_the_same_bits_in_a_large_layer(dtype):
    torch = pytest.importorskip("torch", reason="numpy has no bfloat16")
    rng = np.random.default_rng(3)
    for up in (1, 2):
        x, weight, styles, noise, bias = (torch.from_numpy(a) for a in operands(rng, 2, 96, 64, 40, 37, 3, up, noise=2))
        x = x.to(getattr(torch, dtype)).contiguous(memory_format=torch.channels_last)
        outs = [torch.empty((2, 64, 40 * up, 37 * up), dtype=x.dtype) for _ in range(4)]
        for out, threads in zip(outs, (1, 2, 3, 8)):
            rest = (torch.from_numpy(FILTER).float(), noise, bias, out, True, up, 1, "lrelu", 0.2, 2**0.5, 256.0)
            _C.modulated_conv2d(x, weight, styles, *rest, _C.Context(threads=threads))
        assert all(torch.equal(out, outs[0]) for out in outs)
        exact = (x.double().numpy(), weight.numpy(), styles.numpy())
        options = {"demodulate": True, "up": up, "down": 1, "resample_filter": FILTER, "gain": 2**0.5}
        expected = reference(*exact, **options, noise=noise, bias=bias, activation="lrelu", clamp=256)
        assert_close(outs[0].double().numpy(), expected, 0, TOLERANCE[dtype])


@needs_kernel
@pytest.mark.parametrize("isa", _C.cpu_backends())
def test_every_instruction_set_is_the_definition(isa):
    torch = pytest.importorskip("torch", reason="numpy has no bfloat16")
    fastest = _C.cpu_backends()[0]
    _C.use_backend(isa)
    try:
        for name in SHAPES:
            main, options = layer_of(name, seed=1)
            out = np.empty(output_shape(main, options), np.float32)
            run_native(main, options, out)
            assert_close(out, reference(*main, **options), size_of_sums(*main, **options), TOLERANCE["float32"])
            x = torch.from_numpy(main[0]).bfloat16()
            narrow = torch.empty(out.shape, dtype=torch.bfloat16)
            run_native((x, *main[1:]), options, narrow)
            exact = (x.double().numpy(), *main[1:])
            scale = size_of_sums(*exact, **options)
            assert_close(narrow.double().numpy(), reference(*exact, **options), scale, TOLERANCE["bfloat16"])
    finally:
        _C.use_backend(fastest)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("limits", [{}, {"gain": 0.5, "clamp": 0.3}], ids=["default", "gain and clamp"])
def test_activations(activation, limits):
    main, options = layer_of("odd everything")
    options |= {"activation": activation, "gain": None, "clamp": None} | limits
    scale = size_of_sums(*main, **options | {"gain": GAINS.get(activation, 1.0)})
    assert_close(modulated_conv2d(*main, **options), reference(*main, **options), scale, 1e-5)


@pytest.mark.parametrize("way", [{"up": 2}, {"down": 2}])
@pytest.mark.parametrize("k", [1, 3])
def test_filter_that_is_not_a_product(way, k):
    pytest.importorskip("torch", reason="the composed definition is torch code")
    rng = np.random.default_rng(5)
    x, weight, styles, *_ = operands(rng, 2, 6, 5, 7, 8, k, noise=0)
    options = {"demodulate": True, "up": 1, "down": 1, "resample_filter": rng.normal(size=(3, 4)), "gain": 1.0} | way
    scale = size_of_sums(x, weight, styles, **options)
    y = modulated_conv2d(x, weight, styles, **options)
    assert_close(y, reference(x, weight, styles, **options), scale, 1e-5)


def test_one_noise_image_serves_every_sample():
    main, options = layer_of("odd everything")
    flat = modulated_conv2d(*main, **options | {"noise": options["noise"][0, 0]})
    assert flat.tobytes() == modulated_conv2d(*main, **options).tobytes()
    each = np.repeat(options["noise"], 3, 0)
    assert flat.tobytes() == modulated_conv2d(*main, **options | {"noise": each}).tobytes()


@pytest.mark.parametrize("name", ["odd everything", "1x1 wide", "up odd", "up 1x1", "down odd"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("clamp", [None, 2.0])
def test_what_is_not_finite_reaches_its_neighbours_and_no_others(name, value, clamp):
    main, options = layer_of(name, clamp=clamp, noise=None)
    x = main[0]
    x[-1, 1, x.shape[2] // 2, x.shape[3] // 2] = value
    with np.errstate(invalid="ignore"):
        expected = reference(*main, **options)
    assert not np.isfinite(expected).all() or (clamp and value == np.inf)
    y = modulated_conv2d(*main, **options)
    np.testing.assert_array_equal(np.isnan(y), np.isnan(expected))
    infinite = np.isinf(expected)
    np.testing.assert_array_equal(y[infinite], expected[infinite])
    finite = np.isfinite(expected)
    np.testing.assert_allclose(y[finite], expected[finite], atol=2e-4)


def test_what_is_not_finite_stays_in_its_tiles():
    """Minimal filtering sums 4x4 patches: float32 layers of many channels may spoil a row or column more, and give NaN
    for infinity. Nothing is hidden, and nothing goes further."""
    main, options = layer_of("2x2 tiles", noise=None)
    for value, y, x in ((np.nan, 5, 6), (np.inf, 6, 5)):
        spoiled = main[0].copy()
        spoiled[1, 4, y, x] = value
        with np.errstate(invalid="ignore"):
            bad = ~np.isfinite(reference(spoiled, *main[1:], **options))
        result = modulated_conv2d(spoiled, *main[1:], **options)
        near = np.zeros_like(bad)
        near[1, :, y - 2 : y + 3, x - 2 : x + 3] = True
        assert bad.any() and not np.isfinite(result[bad]).any() and np.isfinite(result[~near]).all()
        np.testing.assert_allclose(result[~near], reference(*main, **options)[~near], atol=1e-4)


def test_bad_styles_spoil_their_own_sample_only():
    main, options = layer_of("odd everything")
    good = modulated_conv2d(*main, **options)
    main[2][1, 3] = np.nan
    y = modulated_conv2d(*main, **options)
    assert np.isnan(y[1]).all()
    np.testing.assert_array_equal(y[[0, 2]], good[[0, 2]])


def test_memory_format_is_kept():
    main, options = layer_of("odd everything")
    y = modulated_conv2d(laid_out(main[0], "channels_last"), *main[1:], **options)
    assert y.strides[1] == y.itemsize
    plain = modulated_conv2d(*main, **options)
    assert plain.flags.c_contiguous
    np.testing.assert_allclose(y, plain, atol=1e-5)


F64 = np.float64
WRONG = {
    "x of three axes": (lambda a: a.update(x=a["x"][0]), r"x: shape \[17, 7, 11\] given, \[N, I, H, W\]"),
    "x of integers": (lambda a: a.update(x=a["x"].astype(np.int32)), "x: .*int32"),
    "weight 5x5": (lambda a: a.update(weight=np.zeros((3, 17, 5, 5), np.float32)), r"weight: shape .* \[O, I, 3, 3\]"),
    "weight of other inputs": (lambda a: a.update(weight=a["weight"][:, 1:]), r"weight: shape .* \[O, 17, k, k\]"),
    "no input channel": (
        lambda a: a.update({k: a[k][:, :0] for k in ("x", "weight", "styles")}),
        "weight: .* at least one input",
    ),
    "styles of other samples": (
        lambda a: a.update(styles=a["styles"][1:]),
        r"styles: shape \[2, 17\] given, \[3, 17\]",
    ),
    "styles of integers": (lambda a: a.update(styles=a["styles"].astype(np.int64)), "styles: dtype .*int64"),
    "filter of three axes": (lambda a: a.update(resample_filter=np.zeros((2, 2, 2)), up=2), "resample_filter: shape"),
    "empty filter": (lambda a: a.update(resample_filter=np.zeros(0), down=2), r"resample_filter: shape \[0\]"),
    "noise of another size": (lambda a: a.update(noise=a["noise"][..., 1:]), r"noise: shape \[1, 1, 7, 10\] given"),
    "noise of other samples": (lambda a: a.update(noise=np.zeros((2, 1, 7, 11))), r"noise: shape \[2, 1, 7, 11\]"),
    "bias of other outputs": (lambda a: a.update(bias=a["bias"][1:]), r"bias: shape \[32\] given, \[33\]"),
    "up and down": (lambda a: a.update(up=2, down=2), "down: 2 given together with up 2"),
    "up by three": (lambda a: a.update(up=3), "up: 3 given, 1 or 2"),
    "down by zero": (lambda a: a.update(down=0), "down: 0 given, 1 or 2"),
    "unknown activation": (lambda a: a.update(activation="gelu"), "activation: 'gelu' given, one of linear, relu"),
    "negative clamp": (lambda a: a.update(clamp=-1), "clamp: -1 given"),
    "a list": (lambda a: a.update(styles=[[1.0]]), "styles: list given"),
}


@pytest.mark.parametrize("kind", ["numpy", "torch"])
@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_work_is_named(name, kind):
    main, options = layer_of("odd everything")
    arguments = dict(zip(("x", "weight", "styles"), main)) | options
    spoil, said = WRONG[name]
    spoil(arguments)
    if kind == "torch":
        torch = pytest.importorskip("torch", reason="the torch operator needs torch")
        arguments = {k: torch.from_numpy(v) if isinstance(v, np.ndarray) else v for k, v in arguments.items()}
    with pytest.raises(BadInput, match=said):
        modulated_conv2d(arguments.pop("x"), arguments.pop("weight"), arguments.pop("styles"), **arguments)


def read_only(array):
    array = array.copy()
    array.flags.writeable = False
    return array


WRONG_NATIVE = {
    "out of another shape": (lambda a: a.update(out=a["out"][..., 1:]), "out: shape"),
    "out of another dtype": (lambda a: a.update(out=a["out"].astype(F64)), "out: dtype float64"),
    "read-only out": (lambda a: a.update(out=read_only(a["out"])), "out: is read-only"),
    "out over x": (
        lambda a: a.update(
            x=a["x"][:, :3],
            weight=a["weight"][:3, :3],
            styles=a["styles"][:, :3],
            noise=None,
            bias=None,
            out=a["x"][:, :3],
        ),
        "out: shares memory with x",
    ),
    "out on itself": (
        lambda a: a.update(out=np.broadcast_to(a["out"][:1], a["out"].shape)),
        "out: ",
    ),
    "float64 x": (lambda a: a.update(x=a["x"].astype(F64)), "x: dtype float64"),
    "float64 weight": (lambda a: a.update(weight=a["weight"].astype(F64)), "weight: dtype float64"),
    "float64 styles": (lambda a: a.update(styles=a["styles"].astype(F64)), "styles: dtype float64"),
    "weight of other inputs": (lambda a: a.update(weight=a["weight"][:, 1:]), "weight: shape"),
    "noise of another size": (lambda a: a.update(noise=a["noise"][..., 1:]), "noise: shape"),
    "bias of other outputs": (lambda a: a.update(bias=a["bias"][1:]), "bias: shape"),
    "up by three": (lambda a: a.update(up=3), "up: 3"),
    "up and down": (lambda a: a.update(up=2, down=2), "down: 2"),
}


@needs_kernel
@pytest.mark.parametrize("name", WRONG_NATIVE)
def test_the_native_call_checks_for_itself(name):
    main, options = layer_of("odd everything")
    arguments = dict(zip(("x", "weight", "styles"), main)) | options
    arguments["out"] = np.zeros(output_shape(main, options), np.float32)
    spoil, said = WRONG_NATIVE[name]
    spoil(arguments)
    main = [arguments.pop(key) for key in ("x", "weight", "styles")]
    with pytest.raises(BadInput, match=said):
        run_native(main, arguments, arguments.pop("out"))
