"""Cases of conv_to_one for the tests and the benchmark."""

# The last layers of the drawing networks at 512 px: name, channels, side of x, kernel, up, padding, mode.
LAYERS = [
    ("7x7 64 -> 1, reflect", 64, 512, 7, 1, 3, "reflect"),
    ("7x7 64 -> 1, zeros", 64, 512, 7, 1, 3, "zeros"),
    ("4x4 transposed 128 -> 1", 128, 256, 4, 2, 1, "zeros"),
]
# channels, height, width, kernel, up, padding, mode: several blocks, bands and groups of taps, and odd ones.
ODD = [
    (64, 70, 150, 7, 1, 3, "reflect"),
    (33, 40, 64, 7, 1, 3, "zeros"),
    (128, 37, 30, 4, 2, 1, "zeros"),
    (3, 8, 200, 16, 1, 7, "reflect"),
    (5, 9, 11, 1, 1, 0, "zeros"),
    (7, 5, 6, 5, 3, 2, "zeros"),
    (4, 6, 5, 2, 4, 0, "zeros"),
]
