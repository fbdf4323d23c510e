"""An order: all that a worker needs to do jobs as they would be done here, wherever it is.

The function, the working directory (relative paths mean the same), where modules are found, and where data lies. What
these name has to be there: machines that work together share a file system.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import uuid4

from surrogate_nas.core.errors import UserError
from surrogate_nas.files import HOME_VARIABLE, home
from surrogate_nas.runtime.engines.seat import Seat

_VARIABLES = "SURROGATE_NAS_"
"""What the names of this project's variables begin with."""


@dataclass(frozen=True)
class Order:
    """What all jobs of some work have in common.

    Attributes:
        function: What is done with every job, pickled.
        folder: The working directory.
        path: Where modules are found.
        variables: This project's, of the environment.
        versions: Of Python and of this project; those of workers must be the same.
        key: Tells one order from all others.
    """

    function: bytes
    folder: str
    path: tuple[str, ...]
    variables: Mapping[str, str]
    versions: Mapping[str, str]
    key: str

    @classmethod
    def of(cls, function: bytes) -> Order:
        """The order to do something as this process would.

        Args:
            function: It, pickled.
        """
        variables = {name: value for name, value in os.environ.items() if name.startswith(_VARIABLES)}
        variables[HOME_VARIABLE] = os.path.abspath(home())
        return cls(function, os.getcwd(), tuple(map(os.path.abspath, sys.path)), variables, _versions(), uuid4().hex)

    def seat(self) -> Seat:
        """A seat for it in this process, which may be on another machine.

        Raises:
            UserError: This machine lacks the working directory, or has other versions.
        """
        host, here = platform.node(), _versions()
        if here != self.versions:
            told, wanted = (", ".join(map(" ".join, held.items())) for held in (here, self.versions))
            raise UserError(f"The workers on {host} have {told}; here are {wanted}. Install the same there.")
        if not os.path.isdir(self.folder):
            raise UserError(
                f"There is no folder {self.folder} on {host}: workers need the working directory, the results, the "
                "data folder and your own files at the same places, on a file system that the machines share."
            )
        own = [place for place in sys.path if place not in self.path]
        return Seat(self.function, path=[*self.path, *own], folder=self.folder, variables=self.variables)


def _versions() -> dict[str, str]:
    from surrogate_nas.core.version import __version__

    return {"Python": ".".join(map(str, sys.version_info[:2])), "surrogate_nas": __version__}
