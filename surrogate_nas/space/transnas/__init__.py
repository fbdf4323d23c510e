"""TransNAS-Bench-101's spaces: cells in a skeleton (micro), and skeletons (macro)."""

from surrogate_nas.space.transnas.macro import TransNASMacro, transnas_macro
from surrogate_nas.space.transnas.micro import TransNASMicro, transnas_micro

__all__ = ["TransNASMacro", "TransNASMicro", "transnas_macro", "transnas_micro"]
