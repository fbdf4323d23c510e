"""What the fork server of tests imports: modules and the space that most tests search, so that not
every worker makes them anew.
"""

import gc

import threadpoolctl  # noqa: F401

import tests.conftest  # noqa: F401
from surrogate_nas.space import nb201

len(nb201())  # makes its cells
gc.collect()
gc.freeze()
