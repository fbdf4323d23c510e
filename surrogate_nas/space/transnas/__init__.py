"""TransNAS-Bench-101's two spaces: cells in a fixed skeleton (micro), and skeletons of a fixed
block (macro).
"""

from surrogate_nas.space.transnas.macro import TransNASMacro, transnas_macro
from surrogate_nas.space.transnas.micro import TransNASMicro, transnas_micro

__all__ = ["TransNASMacro", "TransNASMicro", "transnas_macro", "transnas_micro"]
