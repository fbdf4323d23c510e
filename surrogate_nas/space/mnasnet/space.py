"""The MnasNet space as Accel-NASBench samples it: seven stages with four decisions each, about 10^11 cells.

Tan et al., "MnasNet", CVPR 2019; Ahmad et al., "Accel-NASBench", DAC 2024. A stage prints as MnasNet's and
EfficientNet's code prints it, ``r2_k5_s22_e6_i16_o24_se0.25``: layers, kernel, strides, expansion, channels in and out,
and the ratio of squeeze-and-excitation where there is any; a cell is its seven stages, joined by ``|``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cached_property, lru_cache
from typing import ClassVar

from surrogate_nas.errors import UserError
from surrogate_nas.space.base import Analytic, Cell, Encoding
from surrogate_nas.space.mnasnet.sizes import ANALYTIC, DECISIONS, EXCITED, EXPANSIONS, KERNELS, SQUEEZE, STAGES, numbers
from surrogate_nas.space.product import ChoiceSpace

_STAGE = re.compile(r"r(\d)_k(\d)_s(\d)\3_e(\d)_i(\d{1,3})_o(\d{1,3})(_se\d\.\d{1,4})?")
_EXCITED = f"_se{SQUEEZE}"


class MnasNet(ChoiceSpace):
    """The MnasNet space; use the shared instance `surrogate_nas.space.mnasnet.mnasnet()`.

    Example:
        >>> space = MnasNet()
        >>> str(space.at((0,) * 28)).split("|")[1]
        'r1_k3_s22_e1_i16_o24'
    """

    name = "mnasnet"
    positions = tuple(
        f"{what}{stage + 1}" for stage in range(len(STAGES)) for what in ("layers", "kernel", "expansion", "excitation")
    )
    options = tuple(options for stage in STAGES for options in (stage.layers, KERNELS, EXPANSIONS, EXCITED))
    further_encodings: ClassVar[Mapping[str, Encoding]] = {"numbers": numbers}
    analytic: ClassVar[Analytic] = ANALYTIC

    def write(self, choices: tuple[int, ...]) -> str:
        """The seven stages of a combination.

        Args:
            choices: One option index per position.
        """
        return "|".join(
            f"r{layers + 1}_k{KERNELS[kernel]}_s{stage.stride}{stage.stride}_e{EXPANSIONS[expansion]}"
            f"_i{stage.inputs}_o{stage.outputs}{_EXCITED if excited else ''}"
            for stage, layers, kernel, expansion, excited in zip(
                STAGES, *(choices[what::DECISIONS] for what in range(DECISIONS)), strict=True
            )
        )

    def parse(self, text: str) -> Cell:
        """Read seven stages, joined by ``|``.

        Args:
            text: The string; surrounding white space is ignored.

        Raises:
            UserError: The string has another shape, or an option is unknown; the message names the stage.
        """
        if not isinstance(text, str):
            raise UserError(f"A cell is parsed from its text, not from {text!r:.80}.")
        stages = text.strip().split("|")
        if len(stages) != len(STAGES):
            raise UserError(
                f"Malformed cell {text!r:.200}: a cell of the space {self.name} is {len(STAGES)} stages such as "
                f"r2_k5_s22_e6_i16_o24{_EXCITED}, joined by |."
            )
        return self.at([choice for number, stage in enumerate(stages) for choice in self._decisions(number, stage)])

    def _decisions(self, number: int, text: str) -> list[int]:
        """The choices that one stage prints."""
        stage, found = STAGES[number], _STAGE.fullmatch(text) if text.isascii() else None
        if found is None:
            raise UserError(f"Stage {number + 1} of a {self.name} cell reads r2_k5_s22_e6_i16_o24, not {text!r:.80}.")
        layers, kernel, stride, expansion, inputs, outputs, excited = found.groups()
        if (int(stride), int(inputs), int(outputs)) != (stage.stride, stage.inputs, stage.outputs):
            fixed = f"s{stage.stride}{stage.stride}, i{stage.inputs} and o{stage.outputs}"
            raise UserError(f"Stage {number + 1} of a {self.name} cell has {fixed}, unlike {text!r:.80}.")
        given = (layers, kernel, expansion, EXCITED[bool(excited)])
        for what, option, options in zip(
            self.positions[DECISIONS * number :], given, self.options[DECISIONS * number :], strict=False
        ):
            if option not in options:
                raise UserError(f"{what} of the space {self.name} is {', '.join(options)}, not {option}.")
        if excited not in (None, _EXCITED):
            raise UserError(f"Stage {number + 1} of a {self.name} cell ends in {_EXCITED} or nothing, not {excited}.")
        each = zip(self.options[DECISIONS * number :], given, strict=False)
        return [options.index(option) for options, option in each]

    @cached_property
    def reference(self) -> Cell:
        """EfficientNet-B0, which is a cell of the space."""
        layers, expansions, kernels = (1, 2, 2, 3, 3, 4, 1), (1, 6, 6, 6, 6, 6, 6), (3, 3, 5, 3, 5, 5, 3)
        return self.decided(layers, kernels, expansions, (True,) * len(STAGES))

    def decided(
        self, layers: tuple[int, ...], kernels: tuple[int, ...], expansions: tuple[int, ...], excited: tuple[bool, ...]
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
        for position, options, name in zip(self.positions, self.options, names, strict=True):
            if name not in options:
                raise UserError(f"{position} of the space {self.name} is {', '.join(options)}, not {name:.80}.")
        return self.at([options.index(name) for options, name in zip(self.options, names, strict=True)])


@lru_cache(maxsize=1)
def mnasnet() -> MnasNet:
    """The MnasNet space, one shared instance a process."""
    return MnasNet()
