"""`python -m fastem` is the command `fastem`."""

import sys

from fastem.cli.main import main

sys.exit(main())
