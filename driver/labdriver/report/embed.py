"""JSON inside a page: safe between script tags whatever the data says, and as short as it can be."""

import json
from typing import Any

from markupsafe import Markup

ESCAPES = {ord("<"): "\\u003c", ord(">"): "\\u003e", ord("&"): "\\u0026"}


def as_script(value: Any) -> Markup:
    """`value` as JSON that can neither close its script element nor open a comment. Raises ValueError for NaN."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return Markup(text.translate(ESCAPES))
