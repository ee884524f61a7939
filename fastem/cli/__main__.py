"""`python -m fastem.cli`."""

import sys

from fastem.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
