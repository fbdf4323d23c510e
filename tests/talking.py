"""The external program of the tests, `tests.examples_talker`, as commands name it."""

from pathlib import Path

from tests import examples_talker

FILE = Path(examples_talker.__file__)
ASKED = "valid_loss + 0.1*params"


def command(how="draw", file=None):
    return " ".join(["python", FILE.name, how, str(file or "")]).strip()


def talker(how="draw", file=None, **options):
    more = "".join(f",{name}={value!r}" for name, value in options.items())
    return f"external(command={command(how, file)!r}{more})"
