"""The words that options take, once for Python and the command line."""

FACES = ("all", "largest")
NO_FACE = ("draw", "pass", "skip", "error")
BACKGROUNDS = ("white", "keep", "photo")
DEVICES = ("auto", "cpu", "cuda")
