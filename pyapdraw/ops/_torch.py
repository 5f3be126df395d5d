"""How a native operation becomes a torch operator.

A module of pyapdraw.ops declares its operator when it is imported, which needs no torch. All declared operators are
defined in torch's library "pyapdraw" the first time that one of them meets a torch tensor. Library.define and impl cost
about 3 us a call, where the custom_op decorator costs 10; with a backward, torch's Python wrapper adds 10 more. So a
call that only its kernel would see does not enter the dispatcher at all.
"""

import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from pyapdraw.errors import Error


@dataclass(frozen=True)
class Operator:
    """run: tensors in, new tensors out. fake: the same with shapes and dtypes only. save(ctx, inputs, output) and
    backward(ctx, *grads) as in torch.library.register_autograd; without them the outputs are not differentiable.
    alone: run for calls past the dispatcher, where that can do less."""

    schema: str
    run: Callable[..., Any]
    fake: Callable[..., Any]
    save: Callable[..., None] | None = None
    backward: Callable[..., Any] | None = None
    alone: Callable[..., Any] | None = None


_declared: list[Operator] = []
_defined = 0
_library: Any = None
_core: Any = None  # torch._C and torch.autograd.forward_ad, once an operator is defined
_forward_ad: Any = None
_lock = threading.Lock()
_calls = SimpleNamespace()  # every declared operator by its name, as `operators` gives them outside of graphs


def declare(operator: Operator) -> None:
    """Puts an operator on the list of those that torch learns of when it is imported."""
    _declared.append(operator)


def _define_declared() -> bool:
    global _core, _defined, _forward_ad, _library
    if _defined == len(_declared):
        return True
    with _lock:
        import torch

        _core, _forward_ad = torch._C, sys.modules["torch.autograd.forward_ad"]
        if _library is None:
            _library = torch.library.Library("pyapdraw", "DEF")
            _tensors.update((torch.Tensor, torch.nn.Parameter))
        for op in _declared[_defined:]:
            name = op.schema.partition("(")[0]
            _library.define(op.schema, tags=(torch.Tag.pt2_compliant_tag,))
            _library.impl(name, op.run, "CPU")
            _library.impl(name, op.run, "CUDA")
            torch.library.register_fake(f"pyapdraw::{name}", op.fake, lib=_library)
            if op.backward is not None:
                torch.library.register_autograd(f"pyapdraw::{name}", op.backward, setup_context=op.save, lib=_library)
            operator = getattr(torch.ops.pyapdraw, name)
            told = all(hasattr(torch._C, asked) for asked in _ASKED)
            setattr(_calls, name, _call_of(operator, op) if told else operator)
        _defined = len(_declared)
    return True


# torch.compile runs a function with this mark instead of tracing into it, so that the first use may be inside a graph.
_define_declared._dynamo_marked_constant = True  # type: ignore[attr-defined]


def _call_of(operator: Any, declared: Operator) -> Callable[..., Any]:
    alone = declared.alone or declared.run
    tensors = declared.schema.partition("->")[0].count("Tensor")  # they come first in every schema

    def call(*args: Any) -> Any:
        if not only_the_kernel_sees(args[:tensors]):
            return operator(*args)
        try:
            return alone(*args)
        except Error:
            raise
        except Exception:  # a tensor without memory of its own (meta, sparse), a wrong type: as the dispatcher has it
            return operator(*args)

    return call


# What is asked of torch for that; names that it does not document, so without them every call goes to the dispatcher.
_ASKED = ("_dispatch_tls_local_include_set", "_len_torch_function_stack", "is_grad_enabled")
_QUIET = frozenset({"BackendSelect", "ADInplaceOrView"})  # what torch includes in every call, and drops for inference
_quiet_states: dict[int, bool] = {}  # sets of dispatch keys as numbers -> whether there is nothing else in them
_tensors: set[type] = set()  # torch.Tensor and torch.nn.Parameter, once an operator is defined


def only_the_kernel_sees(operands: tuple) -> bool:
    """Whether these tensors and Nones may go past torch's dispatcher: no gradient is recorded, no dispatch or function
    mode, no transform of functorch, no tracer and no forward mode is active, and the tensors are plain ones."""
    state = _core._dispatch_tls_local_include_set().raw_repr()
    if not (_quiet_states[state] if state in _quiet_states else _is_quiet(state)):
        return False
    if _core._len_torch_function_stack() or _forward_ad._current_level >= 0:
        return False
    recording = _core.is_grad_enabled()
    for x in operands:
        if x is not None and (type(x) not in _tensors or (recording and x.requires_grad) or x.is_neg()):
            return False
    return True


def _is_quiet(state: int) -> bool:
    names = str(_core._dispatch_tls_local_include_set()).partition("(")[2].rstrip(")")
    return _quiet_states.setdefault(state, set(names.split(", ")) <= _QUIET)


def all_tensors(arrays: dict[str, Any], optional: frozenset[str]) -> bool:
    """Whether all are torch tensors and no subclasses, or None for an optional name. False means: look closely."""
    for name, x in arrays.items():  # noqa: SIM110 - half the time of all()
        if type(x) not in _tensors and (x is not None or name not in optional):
            return False
    return True


def new_like(x: Any, dtype: Any = None) -> Any:
    """A C-contiguous tensor of the shape of x: half the time of new_empty."""
    torch = sys.modules["torch"]
    return torch.empty_like(x, dtype=dtype, memory_format=torch.contiguous_format)


def operators() -> Any:
    """Every declared operator by its name: that of torch.ops.pyapdraw, or its function where nobody else would see it.

    In a graph that is being traced always the former.
    """
    _define_declared()
    torch = sys.modules["torch"]
    return torch.ops.pyapdraw if torch.compiler.is_dynamo_compiling() else _calls
