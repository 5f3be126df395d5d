"""Cases of instance_norm for the tests and the benchmark."""

# Maps of the published networks at 512 px: channels, side.
LAYERS = [(64, 512), (128, 256), (128, 128), (256, 64), (512, 32), (512, 8), (512, 2)]
# Channels, height, width: rows of several pixels, several chunks, blocks that end within a row, single pixels.
ODD = [(1, 1, 1), (5, 1, 1), (512, 2, 2), (3, 200, 210), (4, 130, 128), (63, 5, 3), (65, 37, 41), (2500, 9, 1),
       (40000, 1, 2), (17, 1, 700)]  # fmt: skip
