"""`python -m dashboard` is `clusterctl`."""

import sys

from dashboard.cli import main

sys.exit(main())
