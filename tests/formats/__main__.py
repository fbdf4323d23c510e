"""``python -m tests.formats`` is ``make formats``."""

from tests.formats import main

main()
