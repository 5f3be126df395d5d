"""How a native operation becomes a torch operator.

A module of pyapdraw.ops declares its operator when it is imported, which needs no torch. All declared operators are
defined in torch's library "pyapdraw" the first time that one of them meets a torch tensor. Library.define and impl cost
about 3 us a call, where the custom_op decorator costs 10.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Operator:
    """run: tensors in, new tensors out. fake: the same with shapes and dtypes only. save(ctx, inputs, output) and
    backward(ctx, *grads) as in torch.library.register_autograd; without them the outputs are not differentiable."""

    schema: str
    run: Callable[..., Any]
    fake: Callable[..., Any]
    save: Callable[..., None] | None = None
    backward: Callable[..., Any] | None = None


_declared: list[Operator] = []
_defined = 0
_library: Any = None
_lock = threading.Lock()


def declare(operator: Operator) -> None:
    _declared.append(operator)


def _define_declared() -> bool:
    global _defined, _library
    with _lock:
        if _defined == len(_declared):
            return True
        import torch

        if _library is None:
            _library = torch.library.Library("pyapdraw", "DEF")
        for op in _declared[_defined:]:
            name = op.schema.partition("(")[0]
            _library.define(op.schema, tags=(torch.Tag.pt2_compliant_tag,))
            _library.impl(name, op.run, "CPU")
            _library.impl(name, op.run, "CUDA")
            torch.library.register_fake(f"pyapdraw::{name}", op.fake, lib=_library)
            if op.backward is not None:
                torch.library.register_autograd(f"pyapdraw::{name}", op.backward, setup_context=op.save, lib=_library)
        _defined = len(_declared)
    return True


# torch.compile runs a function with this mark instead of tracing into it, so that the first use may be inside a graph.
_define_declared._dynamo_marked_constant = True  # type: ignore[attr-defined]


def operators() -> Any:
    """torch.ops.pyapdraw with every declared operator in it."""
    _define_declared()
    import torch

    return torch.ops.pyapdraw
