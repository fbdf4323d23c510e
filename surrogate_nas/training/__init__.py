"""Training of cells on this machine: the network around a cell, the tasks, and an engine that
trains many cells at once. PyTorch is imported only when code needs it.
"""

from surrogate_nas.training.engine import Curve, train
from surrogate_nas.training.tasks import TASKS, Task, task_named

__all__ = ["TASKS", "Curve", "Task", "task_named", "train"]
