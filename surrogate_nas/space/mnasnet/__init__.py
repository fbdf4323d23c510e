"""The MnasNet space of Accel-NASBench: seven stages with four decisions; about 10^11 cells.

Tan et al., "MnasNet", CVPR 2019; Ahmad et al., "Accel-NASBench", DAC 2024. A stage prints as
MnasNet's and EfficientNet's code prints it, ``r2_k5_s22_e6_i16_o24_se0.25``: layers, kernel,
strides, expansion, channels in and out, and the ratio of squeeze-and-excitation where there is any;
a cell is its seven stages, joined by ``|``.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property, lru_cache
from typing import ClassVar

from surrogate_nas.core.errors import UserError
from surrogate_nas.space.base import Analytic, Encoding
from surrogate_nas.space.cell import Cell, cell_text
from surrogate_nas.space.mnasnet.sizes import (
    ANALYTIC,
    DECISIONS,
    EXCITED,
    EXPANSIONS,
    KERNELS,
    SQUEEZE,
    STAGES,
    Stage,
    numbers,
)
from surrogate_nas.space.product import ChoiceSpace


def _printed(stage: Stage) -> dict[tuple[int, ...], str]:
    """Every combination of a stage's decisions, as it prints."""
    fixed = f"i{stage.inputs}_o{stage.outputs}"
    return {
        (
            n,
            k,
            e,
            x,
        ): f"r{layers}_k{kernel}_s{stage.stride}{stage.stride}_e{expansion}_{fixed}{ratio}"
        for n, layers in enumerate(stage.layers)
        for k, kernel in enumerate(KERNELS)
        for e, expansion in enumerate(EXPANSIONS)
        for x, ratio in enumerate(("", f"_se{SQUEEZE}"))
    }


_PRINTED = tuple(map(_printed, STAGES))
_READ = tuple({text: choices for choices, text in printed.items()} for printed in _PRINTED)


class MnasNet(ChoiceSpace):
    """The MnasNet space; use the shared instance `surrogate_nas.space.mnasnet.mnasnet()`.

    Example:
        >>> space = MnasNet()
        >>> str(space.at((0,) * 28)).split("|")[1]
        'r1_k3_s22_e1_i16_o24'
    """

    name = "mnasnet"
    positions = tuple(
        f"{what}{stage + 1}"
        for stage in range(len(STAGES))
        for what in ("layers", "kernel", "expansion", "excitation")
    )
    options = tuple(
        options for stage in STAGES for options in (stage.layers, KERNELS, EXPANSIONS, EXCITED)
    )
    further_encodings: ClassVar[Mapping[str, Encoding]] = {"numbers": numbers}
    analytic: ClassVar[Analytic] = ANALYTIC

    def write(self, choices: tuple[int, ...]) -> str:
        """The seven stages of a combination."""
        each = (choices[at : at + DECISIONS] for at in range(0, len(choices), DECISIONS))
        return "|".join(
            [printed[decisions] for printed, decisions in zip(_PRINTED, each, strict=True)]
        )

    def parse(self, text: str) -> Cell:
        """Read seven stages, joined by ``|``.

        Raises:
            UserError: The string has another shape, or an option is unknown; the message names the
                stage.
        """
        stripped = cell_text(text)
        stages = stripped.split("|")
        if len(stages) != len(STAGES):
            raise UserError(
                f"Malformed cell {text!r:.200}: a cell of the space {self.name} is {len(STAGES)}"
                f" stages joined by |, the second such as {_PRINTED[1][1, 1, 2, 1]}."
            )
        for number, (stage, known) in enumerate(zip(stages, _READ, strict=True), 1):
            if stage not in known:
                raise UserError(
                    f"Stage {number} of a cell of the space {self.name} reads {next(iter(known))},"
                    f" with r up to {STAGES[number - 1].layers[-1]}, k 3 or 5, e 1, 4 or 6, and"
                    f" _se{SQUEEZE} or nothing behind; not {stage!r:.80}."
                )
        return self.at(
            [choice for stage, known in zip(stages, _READ, strict=True) for choice in known[stage]]
        )

    @cached_property
    def reference(self) -> Cell:
        """EfficientNet-B0, which is a cell of the space."""
        layers = (1, 2, 2, 3, 3, 4, 1)
        expansions = (1, 6, 6, 6, 6, 6, 6)
        kernels = (3, 3, 5, 3, 5, 5, 3)
        return self.decided(layers, kernels, expansions, (True,) * len(STAGES))

    def decided(
        self,
        layers: tuple[int, ...],
        kernels: tuple[int, ...],
        expansions: tuple[int, ...],
        excited: tuple[bool, ...],
    ) -> Cell:
        """The cell of the decisions of all stages.

        Args:
            layers: 1 to 3, in the sixth stage to 4.
            kernels: 3 or 5.
            expansions: 1, 4 or 6.
            excited: Whether there is squeeze-and-excitation.

        Raises:
            UserError: A decision is none of its options.
        """
        names = [
            str(option)
            for n, k, e, x in zip(layers, kernels, expansions, excited, strict=True)
            for option in (n, k, e, EXCITED[x])
        ]
        return self._named(names)


@lru_cache(maxsize=1)
def mnasnet() -> MnasNet:
    """The MnasNet space, one shared instance a process."""
    return MnasNet()


__all__ = ["MnasNet", "mnasnet"]
