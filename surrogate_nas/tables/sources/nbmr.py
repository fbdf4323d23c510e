"""NAS-Bench-MR: 2,507 networks of several resolutions on segmentation, two ImageNet subsets and
video.

Ding et al., "Learning Versatile Neural Architectures by Propagating Network Codes", ICLR 2022. Each
published file is a pickle of plain lists and dicts, read through an empty allow-list. Every task
has the same architectures, each trained once and evaluated on one split. Searches use this single
evaluation, so there is no separate split for reports.
"""

from surrogate_nas.space.nbmr import NBMR
from surrogate_nas.tables import Table
from surrogate_nas.tables.sources import fetching
from surrogate_nas.tables.sources.declaration import table_of
from surrogate_nas.tables.sources.pickles import read_pickle_file


def read(name: str) -> Table:
    """Convert the fetched file of a task to a table, whose space is the sample of published
    architectures.
    """
    pattern = f"*/{name.removeprefix('nbmr-')}/trainval.pkl"
    with fetching.opened("nbmr", pattern) as (path,):
        records = read_pickle_file(path)
        space = NBMR()
        cells = [
            space.numbered(list(map(str, record["embedding"]))) for record in records
        ]
        return table_of("nbmr", name, space, records, cells)
