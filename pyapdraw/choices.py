"""The words that options take, once for Python and the command line."""

FACES = ("all", "largest")
NO_FACE = ("draw", "pass", "skip", "error")
FRAMES = ("whole", "bust")
BACKGROUNDS = ("white", "keep", "photo", "draw")
DEVICES = ("auto", "cpu", "cuda")
