"""Join the JavaScript and style files of a widget into the one text that anywidget takes.

There is no bundler: files that several widgets share stand in front of the widget's own and are
read as one module, so only the last one exports.
"""

from __future__ import annotations

from pathlib import Path

HERE = Path(__file__).parent


def joined(*names: str) -> str:
    """Read files of this folder, in order, as one text.

    Examples
    --------
    >>> joined("tokens.css").count("--fk-accent:")
    1
    """
    return "\n".join((HERE / name).read_text(encoding="utf-8") for name in names)


def library(name: str) -> str:
    """Read a library of the folder ``vendor`` as one constant, hidden from other modules.

    Some of them look for a way to register themselves with a page; here they find none but the
    page's global names.
    """
    text = (HERE / "vendor" / f"{name}.js").read_text(encoding="utf-8")
    nobody = "const exports = undefined, module = undefined, define = undefined;"
    return f"const {name} = (() => {{ {nobody}\n{text}\nreturn globalThis.{name} ?? {name}; }})();"
