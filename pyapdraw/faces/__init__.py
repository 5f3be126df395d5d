"""Faces: found in photos at any head roll, tracked in videos, cut out from what is behind them."""

from pyapdraw.faces.detector import Detector, Face

__all__ = ["Detector", "Face"]
