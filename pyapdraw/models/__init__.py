"""The networks of the papers: `create` makes one, `load` brings its weights."""

from pyapdraw.models.registry import create, load

__all__ = ["create", "load"]
