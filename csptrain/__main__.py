"""``python -m csptrain`` is the ``csptrain`` command."""

import sys

from csptrain.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
