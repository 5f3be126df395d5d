"""The styles by name. A style is made on first use, so listing them loads nothing."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyapdraw import runtime
from pyapdraw.errors import BadInput, WeightsError
from pyapdraw.weights import Weights
from pyapdraw.weights import find as find_weights

if TYPE_CHECKING:
    from pyapdraw.style.base import Style
    from pyapdraw.style.plan import Plan

NATIVE = {"cpu": ("native",)}


@dataclass(frozen=True)
class Entry:
    """A style: where its class is, what it draws, and what can run it.

    networks: names of the networks (`models.registry.MODELS`) whose weights it takes, () for none. shipped: the name of
    its shipped weights. own: device -> runtimes, best first, of a style without a network.
    """

    name: str
    target: str  # "module:Class"
    summary: str
    networks: tuple[str, ...] = ()
    shipped: str | None = None
    own: Mapping[str, tuple[str, ...]] | None = None

    def weights(self, given: str | Path | None = None) -> Weights | None:
        """The weights that are meant: the given ones (name, file of ours, published checkpoint) or the shipped ones.

        Raises WeightsError: none, or of another system. BadInput: some are given to a style that has none.
        """
        if not self.networks:
            if given is not None:
                raise BadInput(f"weights: {given} given, but style {self.name!r} takes none")
            return None
        where = self.shipped if given is None else given
        assert where is not None
        loaded = find_weights(where)
        if loaded.model not in self.networks:
            wanted = f"those of a generator of {self.networks[-1]}"
            raise WeightsError(f"{where}: weights of {loaded.model!r} given, {wanted} expected")
        return loaded

    def runtimes(self, network: str | None = None) -> Mapping[str, tuple[str, ...]]:
        """device -> runtimes, best first, of one of its networks; None: of the shipped weights'."""
        if not self.networks:
            return self.own or {}
        return runtime.runtimes(network or self.networks[0])

    def create(
        self,
        plan: Plan,
        weights: Weights | None = None,
        options: Mapping[str, Any] | None = None,
        where: str | Path | None = None,
    ) -> Style:
        """Makes the style. options: fields of its class's Options. where: what messages call the weights, None: the
        shipped ones. Raises BadInput: an unknown option."""
        made = self.style_class()
        own = made.Options(**self.checked(options or {}))
        return made(plan, weights, own) if weights is None else made(plan, weights, own, where=where or self.name)

    def style_class(self) -> type[Style]:
        """The class, imported."""
        module, name = self.target.split(":")
        return getattr(importlib.import_module(module), name)

    def checked(self, options: Mapping[str, Any]) -> Mapping[str, Any]:
        """The options, if the style has them. Raises BadInput."""
        known = [field.name for field in fields(self.style_class().Options)]
        for name in options:
            if name not in known:
                has = f"which has {', '.join(known)}" if known else "which has none"
                raise BadInput(f"{name}: not an option of style {self.name!r}, {has}")
        return options


STYLES: dict[str, Entry] = {
    "ink": Entry(
        "ink",
        "pyapdraw.style.ink:Ink",
        "brush and pen: two-tone regions, flow-guided lines, strokes for eyes and mouth; any size",
        own=NATIVE,
    ),
    "apdrawing": Entry(
        "apdrawing",
        "pyapdraw.style.apdrawing:ApDrawing",
        "an artist's line drawing: a small hierarchical network [APDrawingGAN] that starts from ink; 512 px a face",
        networks=("apdrawing.small", "apdrawing"),
        shipped="apdrawing",
    ),
}


def find(name: str) -> Entry:
    """The entry of a style; BadInput names the known ones."""
    if name not in STYLES:
        raise BadInput(f"style: {name!r} given, one of {', '.join(STYLES)} expected")
    return STYLES[name]
