"""How ``make docs`` builds these pages: Markdown in, plain files out, nothing fetched."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

project = "Fraktal"
author = "The Fraktal authors"
extensions = ["myst_parser", "gallery", "mathml"]
myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]
html_static_path = ["gallery.css"]
html_math_renderer = "mathml"
html_theme = "furo"
html_title = "Fraktal"
html_show_sphinx = False
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#2f5fc4", "color-brand-content": "#2f5fc4"},
    "dark_css_variables": {"color-brand-primary": "#8fb0ff", "color-brand-content": "#8fb0ff"},
}
