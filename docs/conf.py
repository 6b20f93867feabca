"""Sphinx's settings. `make site` gathers the pages and calls Sphinx: see tools/site.py."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE / "_ext")]

from tools import course  # noqa: E402

project = "The attention course"
author = "The attention course authors"
project_copyright = "prose and figures CC BY 4.0, code MIT"
language = "en"
extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.mathjax",
    "accessible",
    "descriptions",
    "docstrings",
    "offline",
]

# Notebooks are shown as they were stored.
nb_execution_mode = "off"
nb_merge_streams = True
myst_enable_extensions = ["amsmath", "attrs_block", "dollarmath"]
myst_heading_anchors = 4
# JupyterLab's anchors, so that one link works there and here.
myst_heading_slug_func = "anchors.anchor"

add_module_names = False
autodoc_inherit_docstrings = False
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
python_maximum_signature_line_length = 88
python_use_unqualified_type_names = True

html_context = {"default_mode": "auto"}
html_theme = "sphinx_book_theme"
html_title = project
html_static_path = [str(HERE / "_static")]
html_css_files = ["course.css"]
html_favicon = str(HERE / "_static" / "icon.svg")
html_show_sphinx = False
html_last_updated_fmt = None
pygments_style = "a11y-high-contrast-light"
html_theme_options = {
    "repository_url": course.address(),
    "repository_branch": "main",
    "path_to_docs": "",
    "use_repository_button": True,
    "use_download_button": True,
    "use_fullscreen_button": False,
    "launch_buttons": {
        "notebook_interface": "jupyterlab",
        "binderhub_url": "https://mybinder.org",
        "colab_url": "https://colab.research.google.com",
    },
    "logo": {"text": project, "image_light": "_static/icon.svg", "image_dark": "_static/icon.svg"},
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
    "navbar_persistent": [],
    "show_toc_level": 2,
    "home_page_in_toc": True,
    "search_bar_text": "Search the course",
}
