import sys

from pyapdraw.cli import main

sys.exit(main())
