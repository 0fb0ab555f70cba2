"""Settings of the book: `make book` builds it from the chapters with Sphinx, into build/book."""

import os
import sys
from pathlib import Path

import minimal_gd

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))  # book.py
os.environ["MINIMAL_GD_QUIET"] = "1"  # the kernels that run the pages compile without a word

project = "minimal_gd"
author = "the authors of minimal_gd"
release = minimal_gd.__version__
html_show_copyright = False

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode", "book"]
exclude_patterns = ["README.md", "static", "**/.pytest_cache"]

# The chapters are plain Markdown; jupytext makes a notebook of each, and all of its code runs at every build.
nb_custom_formats = {".md": ["jupytext.reads", {"fmt": "md"}]}
nb_execution_excludepatterns = ["index.md", "equation_index.md"]
nb_execution_mode = "force"
nb_execution_in_temp = True
nb_execution_show_tb = True  # and -W makes it an error
nb_execution_timeout = 600  # a slow machine is no error
nb_merge_streams = True
nb_output_stderr = "warn"
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3

mathjax_path = "mathjax/tex-svg.js"
mathjax3_config = {"options": {"enableMenu": False}}

napoleon_google_docstring = False
napoleon_use_ivar = True
napoleon_use_param = False
napoleon_use_rtype = False
napoleon_custom_sections = ["Source"]
autodoc_member_order = "bysource"
autodoc_typehints = "none"

html_theme = "furo"
html_title = "Why gradient descent finds a global minimum"
html_static_path = ["static"]
html_css_files = ["book.css"]
html_copy_source = False
html_use_index = False
html_domain_indices = False
