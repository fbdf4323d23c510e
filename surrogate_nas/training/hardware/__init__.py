"""What the hardware here says of cells: latency, peak memory and energy of one inference, with a
device card.
"""

from surrogate_nas.training.hardware.latency import Protocol, device_card
from surrogate_nas.training.hardware.measure import draw_cells, measure
from surrogate_nas.training.hardware.measured import Measured

__all__ = ["Measured", "Protocol", "device_card", "draw_cells", "measure"]
