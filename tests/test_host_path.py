"""What a call costs on the host: torch's dispatcher is entered only where somebody else than the kernel has to see the
call, contexts of a stream are kept, and nothing that anybody could observe has changed by that."""

import threading
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
from cases_valid_calls import VALID, results, run

from pyapdraw import _C, ops
from pyapdraw.errors import BadInput
from pyapdraw.ops import _arrays

torch = pytest.importorskip("torch", reason="about torch tensors")
OPERATORS = [op for op in VALID if op != "paste_yuv"]  # written in place, so no operator
DIFFERENTIABLE = [op for op in OPERATORS if VALID[op]().differentiable]


def tensors(op, grad=False):
    call = VALID[op]()
    out = {n: a if n in call.numpy_only else torch.from_numpy(a.copy()) for n, a in call.arrays.items()}
    for name in call.differentiable if grad else ():
        out[name].requires_grad_()
    return out, call.options


def entered(step) -> list[str]:
    """The operators of ours that torch's dispatcher saw, by torch's own profiler."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as seen:
        step()
    return [e.name for e in seen.events() if e.name.startswith("pyapdraw::")]


@pytest.mark.parametrize("op", OPERATORS)
def test_the_dispatcher_is_not_entered_where_nothing_records(op):
    given, options = tensors(op)
    run(op, given, **options)  # defines the operators
    assert entered(lambda: run(op, given, **options)) == []
    given, options = tensors(op, grad=True)
    for quiet in (torch.no_grad, torch.inference_mode):
        with quiet():
            assert entered(lambda: run(op, given, **options)) == []


@pytest.mark.parametrize("op", DIFFERENTIABLE)
def test_it_is_where_a_gradient_is_wanted(op):
    given, options = tensors(op, grad=True)
    assert entered(lambda: results(run(op, given, **options))[0].sum().backward())
    assert all(given[name].grad is not None for name in VALID[op]().differentiable)


@pytest.mark.parametrize("op", OPERATORS)
def test_both_ways_give_the_same_tensors(op):
    from torch.utils._python_dispatch import TorchDispatchMode

    class Through(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            called.append(str(func))
            return func(*args, **(kwargs or {}))

    given, options = tensors(op)
    alone = results(run(op, given, **options))
    called = []
    with Through():
        dispatched = results(run(op, given, **options))
    assert any(name.startswith("pyapdraw.") for name in called)
    for a, b in zip(alone, dispatched, strict=True):
        assert torch.equal(a, b) and a.stride() == b.stride() and a.dtype == b.dtype
        assert not a.requires_grad and a._version == b._version == 0


def test_results_of_inference_mode_are_inference_tensors():
    with torch.inference_mode():
        assert ops.resize(torch.ones(4, 4), 2).is_inference()
    assert not ops.resize(torch.ones(4, 4), 2).is_inference()


def test_modes_subclasses_and_transforms_are_seen():
    from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
    from torch.overrides import TorchFunctionMode

    image = torch.rand(6, 7)
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        assert isinstance(ops.resize(mode.from_tensor(image), 3), FakeTensor)

    class Listening(TorchFunctionMode):
        def __torch_function__(self, func, types, args=(), kwargs=None):
            heard.append(str(func))
            return func(*args, **(kwargs or {}))

    heard = []
    with Listening():
        ops.resize(image, 3)
    assert any("resize" in name for name in heard)

    class Own(torch.Tensor):
        pass

    assert type(ops.resize(image.as_subclass(Own), 3)) is Own
    several = torch.rand(3, 6, 7)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it is done one by one
        batched = torch.vmap(lambda x: ops.resize(x, 3))(several)
    assert torch.equal(batched, torch.stack([ops.resize(x, 3) for x in several]))
    traced = torch.jit.trace(lambda x: ops.resize(x, 3), image, check_trace=False)
    assert "pyapdraw::resize" in str(traced.graph)
    with torch.autograd.forward_ad.dual_level():
        dual = torch.autograd.forward_ad.make_dual(image, image)
        assert entered(lambda: ops.resize(dual, 3))


def test_tensors_that_are_more_than_their_memory():
    """The dispatcher makes plain ones of them, or answers without memory."""
    image = torch.rand(6, 7, dtype=torch.complex64).conj().imag
    assert image.is_neg()
    torch.testing.assert_close(ops.resize(image, 3), ops.resize(image.clone(), 3))
    assert ops.resize(image.to("meta"), 3).device.type == "meta"
    zeros = torch._efficientzerotensor(6, 7)
    assert torch.equal(ops.resize(zeros, 3), torch.zeros(3, 3))
    assert torch.equal(ops.distance_transform(zeros.to(torch.bool)), torch.full((6, 7), torch.inf))
    with pytest.raises((RuntimeError, NotImplementedError)):
        ops.resize(image.clone().to_sparse(), 3)


def test_errors_are_of_the_same_family_on_both_ways():
    for leaf in (torch.ones(4, 4, 5), torch.ones(4, 4, 5).requires_grad_()):
        with pytest.raises(BadInput, match="filter: 'cubic' given"):
            ops.warp_affine(leaf, np.eye(2, 3), 3, filter="cubic")


def test_a_plan_that_is_known_serves_no_options_of_other_types():
    """2.0 == 2, but one of them is not what the operation takes."""
    x, weight = torch.rand(1, 2, 5, 6), torch.rand(2, 1, 2, 2)
    for step in (
        lambda two: ops.conv_to_one(x, weight, up=two),
        lambda two: ops.upfirdn2d(x, None, up=(two, 1)),
        lambda two: ops.upfirdn2d(x.numpy(), None, up=(two, 1)),
    ):
        for _ in range(2):
            step(2)
            with pytest.raises((TypeError, RuntimeError)):
                step(2.0)


def test_plans_follow_shapes_and_options():
    for side, up, padding in ((5, 1, 0), (6, 1, 1), (5, 2, 0), (5, 1, 1), (5, 1, 0)):
        x, weight = torch.rand(1, 2, side, side), torch.rand(1, 2, 3, 3) if up == 1 else torch.rand(2, 1, 3, 3)
        one = ops.conv_to_one(x, weight, up=up, padding=padding)
        convolved = torch.conv2d if up == 1 else torch.conv_transpose2d
        torch.testing.assert_close(one, convolved(x, weight, stride=up, padding=padding))
        spread = ops.upfirdn2d(x, None, up=(up, 1), padding=padding)
        assert spread.shape == (1, 2, side + 2 * padding, side * up + 2 * padding)


def test_one_graph_whether_or_not_a_gradient_is_recorded():
    def step(x):
        return ops.resize(ops.bias_act(x, act="lrelu"), 3) * 2

    compiled = torch.compile(step, fullgraph=True, backend="aot_eager")
    for x in (torch.randn(1, 2, 6, 7), torch.randn(1, 2, 6, 7).requires_grad_()):
        torch.testing.assert_close(compiled(x), step(x))
        with torch.no_grad():
            torch.testing.assert_close(compiled(x), step(x))


# Contexts, with a stand-in for a tensor of a device. -------------------------------------------


@pytest.fixture
def on_device(monkeypatch):
    """Runs `call` as for a torch tensor of a CUDA device, and gives the context that the native function got."""
    monkeypatch.setattr(_arrays, "_contexts", _arrays._Contexts())
    place = SimpleNamespace(stream=5, index=0)
    monkeypatch.setattr(_arrays, "_torch_stream", lambda index: place.stream)
    like = SimpleNamespace(is_cuda=True, get_device=lambda: place.index)

    def call(act=lambda ctx: None):
        got = []
        _arrays.call(lambda ctx: (got.append(ctx), act(ctx)), like=like)
        return got[0]

    call.place = place
    return call


def test_a_context_is_made_once_for_a_stream(on_device):
    first = on_device()
    assert on_device() is first and first.stream == 5
    on_device.place.stream = 6
    other = on_device()
    assert other is not first and other.stream == 6
    on_device.place.index = 1
    assert on_device() not in (first, other)
    on_device.place.stream, on_device.place.index = 5, 0
    assert on_device() is first


def test_threads_do_not_share_contexts(on_device):
    mine, theirs = on_device(), []
    other = threading.Thread(target=lambda: theirs.append(on_device()))
    other.start()
    other.join()
    assert theirs[0] is not mine


def test_contexts_do_not_pile_up(on_device):
    for stream in range(10, 1000):
        on_device.place.stream = stream
        on_device()
    assert len(_arrays._contexts.known) <= _arrays._MOST_CONTEXTS


def test_scratch_memory_is_dropped_after_the_call_and_after_a_failure(on_device, monkeypatch):
    dropped = []
    context = SimpleNamespace(let_go=lambda: dropped.append(1))
    monkeypatch.setattr(_arrays, "_context", lambda index, stream: context)
    on_device()
    with pytest.raises(BadInput):
        on_device(lambda ctx: (_ for _ in ()).throw(BadInput("x")))
    assert len(dropped) == 2
    assert hasattr(_C.Context, "let_go")
