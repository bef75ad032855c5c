"""ICC profiles of the gamuts, for programs that know no newer way to say what colours mean.

References
----------
ICC.1:2022, *Image technology colour management*, profile version 4.4.
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fraktal_kernel.fractals.palettes.light import WHITE, Gamut

_D50 = np.array([0.9642, 1.0, 0.8249])
_BRADFORD = np.array(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)
# The curve of sRGB as a parametric curve of type 3: exponent, then a, b, c, d.
_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)


def icc_profile(gamut: Gamut) -> bytes:
    """Make the profile of a screen with the primaries of a gamut and the curve of sRGB.

    Examples
    --------
    >>> from fraktal_kernel.fractals.palettes.light import GAMUTS
    >>> icc_profile(GAMUTS["display-p3"])[36:40]
    b'acsp'
    """
    adapt = _adaptation()
    red, green, blue = (adapt @ gamut.to_xyz()).T
    curve = struct.pack(">4sIHH", b"para", 0, 3, 0) + _fixed(_CURVE)
    tags = {
        b"desc": _text(gamut.title),
        b"cprt": _text("CC0"),
        b"wtpt": b"XYZ \0\0\0\0" + _fixed(_D50),
        b"chad": b"sf32\0\0\0\0" + _fixed(adapt.ravel()),
        b"rXYZ": b"XYZ \0\0\0\0" + _fixed(red),
        b"gXYZ": b"XYZ \0\0\0\0" + _fixed(green),
        b"bXYZ": b"XYZ \0\0\0\0" + _fixed(blue),
        b"rTRC": curve,
        b"gTRC": curve,
        b"bTRC": curve,
    }
    table, body = struct.pack(">I", len(tags)), b""
    places: dict[bytes, int] = {}
    start = 128 + 4 + 12 * len(tags)
    for name, data in tags.items():
        if data not in places:  # equal tags share their data
            places[data] = start + len(body)
            body += data + b"\0" * (-len(data) % 4)
        table += struct.pack(">4sII", name, places[data], len(data))
    head = struct.pack(">I4sI4s4s4s", start + len(body), b"\0" * 4, 0x04400000, b"mntr", b"RGB ",
                       b"XYZ ")  # fmt: skip
    head += struct.pack(">6H", 2026, 1, 1, 0, 0, 0) + b"acsp" + b"\0" * 28 + _fixed(_D50)
    return head + b"\0" * (128 - len(head)) + table + body


def _adaptation() -> NDArray[np.float64]:
    """Give Bradford's matrix from D65 to the D50 in which profiles are written."""
    scale = np.diag((_BRADFORD @ _D50) / (_BRADFORD @ WHITE))
    return np.asarray(np.linalg.inv(_BRADFORD) @ scale @ _BRADFORD, np.float64)


def _fixed(numbers: Any) -> bytes:
    """Write numbers as signed 15.16 fixed point."""
    return b"".join(struct.pack(">i", round(float(number) * 65_536)) for number in numbers)


def _text(text: str) -> bytes:
    """Write a text in one language."""
    data = text.encode("utf-16-be")
    return b"mluc" + struct.pack(">IIIHHII", 0, 1, 12, 0x656E, 0x5553, len(data), 28) + data
