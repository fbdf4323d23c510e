"""Search spaces: cells (architectures), trials (evaluated cells), isomorphism, and encodings for
models.
"""

from surrogate_nas.space.base import (
    Enumerable,
    Space,
    cell_given,
    cells_given,
    drawn_cells,
    first_of_class,
    listed,
)
from surrogate_nas.space.cell import Cell, Choices, choices_of
from surrogate_nas.space.macro import Macro, macro
from surrogate_nas.space.nb201 import NB201, nb201
from surrogate_nas.space.network import Network
from surrogate_nas.space.product import ChoiceSpace, EnumerableChoiceSpace, Sampled
from surrogate_nas.space.registry import (
    DEFAULT_SPACE,
    SPACES,
    cell_named,
    register,
    space_named,
    space_of,
)
from surrogate_nas.space.trial import Request, Trial, TrialValues

__all__ = [
    "DEFAULT_SPACE",
    "NB201",
    "SPACES",
    "Cell",
    "ChoiceSpace",
    "Choices",
    "Enumerable",
    "EnumerableChoiceSpace",
    "Macro",
    "Network",
    "Network",
    "Network",
    "Network",
    "Request",
    "Sampled",
    "Space",
    "Trial",
    "TrialValues",
    "cell_given",
    "cell_given",
    "cell_given",
    "cell_given",
    "cell_named",
    "cells_given",
    "cells_given",
    "cells_given",
    "cells_given",
    "choices_of",
    "drawn_cells",
    "first_of_class",
    "listed",
    "macro",
    "nb201",
    "register",
    "space_named",
    "space_of",
]
