"""The networks of the papers and the styles that draw: `create` makes one, `load` brings its weights."""

from pyapdraw.models.registry import create, load

__all__ = ["create", "load"]
