"""What tests of pages share: a page as words."""

from __future__ import annotations

import re
from html import unescape


def text_of(page: str) -> str:
    """The words of a page as a reader sees them, marks and markup left out."""
    page = re.sub(r'<svg class="mark-of".*?</svg>|</?(?:span|strong)[^>]*>', "", page)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page)).split())
