"""The anchors of headings, as JupyterLab makes them."""

from __future__ import annotations


def anchor(heading: str) -> str:
    """What follows `#` in a link to this heading: its words with hyphens between them."""
    return heading.replace(" ", "-")
