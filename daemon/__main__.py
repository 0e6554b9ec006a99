"""`python -m daemon` is `copierd`."""

import sys

from daemon.cli import main

sys.exit(main())
