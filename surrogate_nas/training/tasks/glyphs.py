"""Classification of characters: to which script (Latin, Greek, …) does a letter belong?

The letters are taken from the DejaVu fonts (Bitstream Vera licence, changes in the public domain),
which are part of the package matplotlib. The outline of a letter is sampled at 32×32 points, a
little off the centre. Blocks of 4×4 points are then averaged. The script of a letter is the first
word of the letter's Unicode name. A letter belongs to the same split in all fonts.
"""

import unicodedata
from pathlib import Path

import numpy as np

from surrogate_nas.training.tasks import (
    SPLITS,
    Array,
    Schedule,
    Splits,
    Task,
    as_split,
    by_share,
    enough,
    pooled,
    split_rng,
)

SCRIPTS = ("LATIN", "GREEK", "CYRILLIC", "ARMENIAN", "GEORGIAN", "ARABIC", "CANADIAN")
SIDE = 8
# The DejaVu fonts, and how each calls its slanted style.
_FONTS = {"Sans": "Oblique", "SansMono": "Oblique", "Serif": "Italic"}
_LETTERS = ("Lu", "Ll", "Lt", "Lo")
# Of a line of text, and of a picture, in units of an outline.
_HEIGHT = 100.0
_BLOCK = 4
_SHIFT = 6.0
_SHARES = (0.4, 0.2, 0.4)
_SIZES = (300, 150, 350)

Picture = tuple[str, Path]
"""A letter and the file of its font."""


def fonts() -> list[Path]:
    """Return the paths of the font files."""
    import matplotlib

    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    return [
        folder / f"DejaVu{name}{style}.ttf"
        for name, slanted in _FONTS.items()
        for style in ("", "-Bold", f"-{slanted}", f"-Bold{slanted}")
    ]


def letters() -> dict[str, dict[str, list[Picture]]]:
    """Return all available pictures, grouped by script and letter, in the order of Unicode."""
    from matplotlib.ft2font import FT2Font

    by_script: dict[str, dict[str, list[Picture]]] = {script: {} for script in SCRIPTS}
    for font in fonts():
        for code in sorted(FT2Font(str(font)).get_charmap()):
            letter = chr(code)
            script = unicodedata.name(letter, " ").split(" ")[0]
            if script in by_script and unicodedata.category(letter) in _LETTERS:
                by_script[script].setdefault(letter, []).append((letter, font))
    return by_script


def drawn(picture: Picture, shift: Array) -> Array:
    """Return a picture of a letter, with the darkness of each pixel from 0 to 1, shape ``(8, 8)``.

    Args:
        picture: The letter to draw, and its font.
        shift: Displacement of the letter along columns and rows, in the units of its outline.
    """
    from matplotlib.font_manager import FontProperties
    from matplotlib.path import Path as Outline
    from matplotlib.textpath import TextPath

    letter, font = picture
    outline = TextPath((0, 0), letter, size=_HEIGHT, prop=FontProperties(fname=font))
    if not len(outline.vertices):
        return np.zeros((SIDE, SIDE))
    middle = (outline.vertices.min(0) + outline.vertices.max(0)) / 2 + shift
    count = SIDE * _BLOCK
    coordinates = ((np.arange(count) + 0.5) / count - 0.5) * _HEIGHT
    columns, rows = np.meshgrid(coordinates + middle[0], middle[1] - coordinates)
    points = np.column_stack([columns.ravel(), rows.ravel()])
    inside = np.zeros(len(points), bool)
    for contour in outline.to_polygons():
        # a contour in another one is a hole
        inside ^= Outline(contour).contains_points(points)
    return pooled(inside.reshape(count, count), _BLOCK)


def load() -> Splits:
    """Generate pictures of letters, the same number for each script: 2,100 for training, 1,050 for
    validation, 2,450 for testing.
    """
    rng = split_rng()
    inputs: dict[str, list[Array]] = {name: [] for name in SPLITS}
    for script, by_letter in letters().items():
        parts = by_share(rng.permutation(sorted(by_letter)), _SHARES)
        for (name, part), size in zip(parts.items(), _SIZES, strict=True):
            own = [picture for letter in part for picture in by_letter[letter]]
            what = f"pictures of {script} letters for the {name} split"
            for i in enough(rng.permutation(len(own)), size, what):
                inputs[name].append(drawn(own[i], rng.uniform(-_SHIFT, _SHIFT, 2)))
    kinds = np.arange(len(SCRIPTS))
    return {
        name: as_split(np.stack(inputs[name])[:, None], np.repeat(kinds, size))
        for name, size in zip(SPLITS, _SIZES, strict=True)
    }


TASK = Task(
    name="glyphs",
    title="to which script does this letter belong? 8×8 pixels",
    load=load,
    classes=len(SCRIPTS),
    residual=False,
    schedule=Schedule(epochs=8, batch=32),
    source="letters of the DejaVu fonts that matplotlib carries (Bitstream Vera licence)",
)
