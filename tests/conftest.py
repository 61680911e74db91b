"""For every test: one thread of torch in each process, so that tests running side by side do not fight over the cores."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
