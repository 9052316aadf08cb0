"""How docstrings are read for the reference."""

import re
from typing import Any

import griffe


class Examples(griffe.Extension):
    """Reads the heading `Example:`, of one example, as that of a section of examples."""

    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:
        """Renames the heading in the object's docstring."""
        if obj.docstring:
            obj.docstring.value = re.sub(
                r"^Example:$", "Examples:", obj.docstring.value, flags=re.MULTILINE
            )
