"""One family of errors. Every message names the file or argument, what was given and what is expected."""


class Error(Exception):
    """Base of everything that pyapdraw raises on purpose."""


class BadInput(Error, ValueError):
    """An argument or a file that can never work: wrong shape, dtype or range; damaged, empty or foreign file."""


class Unsupported(Error):
    """A valid request that this build, backend or installation cannot serve."""


class DeviceError(Error):
    """The device failed, is missing, or has no room left."""


class WeightsError(Error):
    """A weight file is missing, altered or of another system."""


class OutputError(Error):
    """The result could not be written: no permission, no space, or it exists already."""
