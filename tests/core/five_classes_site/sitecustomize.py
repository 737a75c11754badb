"""Python runs this at the start of a process whose PYTHONPATH names this folder: see five_classes.py."""

import five_classes

from fbseg_core.tasks import TASKS

TASKS[five_classes.NAME] = five_classes.FiveClasses()
