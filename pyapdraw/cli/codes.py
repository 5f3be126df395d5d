"""Exit codes of the command line."""

DONE = 0
SOME_FAILED = 1  # some inputs failed, each named
WRONG_USAGE = 2
NO_BACKEND = 3  # nothing here can run what was asked for
NOT_WRITTEN = 4  # an output could not be written
INTERRUPTED = 130
