"""Figures of notebooks get the description that stands beside them as their alternative text.

`plots.show` stores a figure as a PNG and a sentence as its text form. myst-nb keeps both until it
chooses the picture; here the sentence is carried over to it in time. A figure without a sentence
is a warning, and the site is built with every warning an error.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from docutils import nodes

# what matplotlib says of a figure that nobody described
NO_DESCRIPTION = ("<Figure size", "<PIL.")


def describe(document: nodes.document) -> Iterator[nodes.image]:
    """Give every figure its description, in place; yields those that have none."""
    for bundle in document.findall(nodes.container):
        if bundle.get("nb_element") != "mime_bundle":
            continue
        text = " ".join(
            form.astext() for form in bundle.children if form.get("mime_type") == "text/plain"
        )
        text = " ".join(text.split())
        for image in bundle.findall(nodes.image):
            if text and not text.startswith(NO_DESCRIPTION):
                image["alt"] = text
            else:
                yield image


def setup(app: Any) -> dict[str, bool]:
    """Join Sphinx, ahead of the step in which myst-nb drops the text."""
    from sphinx.transforms.post_transforms import SphinxPostTransform
    from sphinx.util import logging

    class Describe(SphinxPostTransform):
        default_priority = 3  # myst-nb's SelectMimeType has 4

        def run(self, **kwargs: Any) -> None:
            for image in describe(self.document):
                logging.getLogger(__name__).warning(
                    "a figure without a description: show it with plots.show(fig, alt)",
                    location=image,
                )

    app.add_post_transform(Describe)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
