"""What tests of pages share: a page as words."""

import re
from html import unescape


def text_of(page):
    """The words of a page as a reader sees them, marks and markup left out."""
    page = re.sub(r'<svg class="mark-of".*?</svg>|</?(?:span|strong)[^>]*>', "", page)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page)).split())
