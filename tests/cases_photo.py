"""Small picture files made on the spot: the cases of test_photo, test_files and test_fuzz_media."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image


def scene(height: int = 40, width: int = 60) -> np.ndarray:
    """Smooth colours with a red top left corner, a green top right, a blue bottom left: uint8 [H, W, 3]."""
    y, x = np.mgrid[:height, :width] / np.array([height, width]).reshape(2, 1, 1)
    red, green, blue = 255 * (1 - x) * (1 - y), 255 * x * (1 - y), 255 * (1 - x) * y
    return np.stack([red, green, blue], axis=2).astype(np.uint8)


def encoded(picture_format: str, pictures: int = 1, image: Image.Image | None = None, **options) -> bytes:
    """Content of a file in a format of Pillow."""
    image = image or Image.fromarray(scene())
    buffer = io.BytesIO()
    if pictures > 1:
        turned = [image.transpose(Image.Transpose.ROTATE_180)] * (pictures - 1)
        options |= {"save_all": True, "append_images": turned, "duration": 50}
    image.save(buffer, picture_format, **options)
    return buffer.getvalue()
