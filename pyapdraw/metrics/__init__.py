"""Figures of drawings: how near they are to given ones, and how near two sets of pictures are."""

from pyapdraw.metrics.boundary import boundary_f, ink_boundary, tone_difference
from pyapdraw.metrics.chamfer import chamfer_distance
from pyapdraw.metrics.cleanliness import grey_share, specks
from pyapdraw.metrics.fid import fid, frechet_distance
from pyapdraw.metrics.ssim import ssim

__all__ = ["boundary_f", "chamfer_distance", "fid", "frechet_distance", "grey_share", "ink_boundary", "specks", "ssim",
           "tone_difference"]  # fmt: skip
