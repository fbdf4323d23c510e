"""``python -m tests.formats`` writes this release's files anew, after a format changed with its
version.
"""

from tests.formats import main

main()
