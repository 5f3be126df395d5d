"""`python -m pyapdraw`: the command line."""

import sys

from pyapdraw.cli import main

sys.exit(main())
