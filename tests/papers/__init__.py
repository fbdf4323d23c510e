"""What tests of papers share: a paper that is made, and its rows."""

from analysis.papers import reproduce


def rows_of(name, folder, **options):
    """The rows of a paper by method, data set and metric."""
    made = reproduce(name, folder=folder, **options)
    return {(row.method, row.dataset, row.metric): row for row in made.rows}
