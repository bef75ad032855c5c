"""Light and colour: sRGB bytes, linear light, OKLab, and the gamuts of wide screens.

Everything in between is linear light of the sRGB primaries, so a colour that only a wide screen
shows has a part below 0 or above 1; it is brought into the gamut of the file when that is
written, by lowering its chroma in OKLab until it fits.

Arrays of pixels have the colour last, ``[..., 3]``; arrays of *planes* have it first,
``[3, ...]``, because numpy works on long rows much faster than on rows of three.

References
----------
Björn Ottosson, *A perceptual color space for image processing* (2020).
IEC 61966-2-1 (sRGB), SMPTE EG 432-1 (P3 with D65), ITU-R BT.2020.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fraktal_kernel.errors import InvalidInput
from fraktal_kernel.registry import unknown_name

_TO_LMS = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_TO_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)
_FROM_LMS = np.linalg.inv(_TO_LMS)
_FROM_LAB = np.linalg.inv(_TO_LAB)
# Halvings of the chroma: the last one moves no colour by what one sees.
_HALVINGS = 10
# What is clipped without a look at the hue: nobody sees it.
SLACK = 5e-3


def decoded(value: NDArray[Any]) -> NDArray[Any]:
    """Turn sRGB-coded values from 0 to 1 into linear light."""
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def encoded(light: NDArray[Any]) -> NDArray[Any]:
    """Turn linear light from 0 to 1 into sRGB-coded values."""
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)


def linear(srgb: NDArray[Any]) -> NDArray[np.float64]:
    """Turn sRGB bytes into linear light from 0 to 1."""
    return decoded(np.asarray(srgb, np.float64) / 255)


def srgb(light: NDArray[Any]) -> NDArray[np.uint8]:
    """Turn linear light into sRGB bytes, rounded; what no screen shows is clipped."""
    return np.asarray(np.rint(encoded(np.clip(light, 0.0, 1.0)) * 255), np.uint8)


def lab_of(light: NDArray[Any]) -> NDArray[np.float64]:
    """Turn linear light [..., 3] into OKLab."""
    return np.asarray(np.cbrt(light @ _TO_LMS.T) @ _TO_LAB.T)


def light_of(lab: NDArray[Any]) -> NDArray[np.float64]:
    """Turn OKLab [..., 3] into linear light, unclipped."""
    return np.asarray(((lab @ _FROM_LAB.T) ** 3) @ _FROM_LMS.T)


def oklab(colour: NDArray[Any]) -> NDArray[np.float64]:
    """Turn sRGB bytes [..., 3] into OKLab."""
    return lab_of(linear(colour))


def from_oklab(lab: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Turn OKLab [..., 3] into sRGB bytes."""
    return srgb(light_of(lab))


def mixed(matrix: NDArray[np.float64], planes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mix the three planes of an array [3, ...] by a matrix of 3 x 3."""
    flat = matrix.astype(np.float32) @ planes.reshape(3, -1)
    return flat.reshape(planes.shape)


def lab_planes(light: NDArray[np.float32]) -> NDArray[np.float32]:
    """Turn planes of linear light [3, ...] into planes of OKLab."""
    return mixed(_TO_LAB, np.cbrt(mixed(_TO_LMS, light)))


def light_planes(lab: NDArray[np.float32]) -> NDArray[np.float32]:
    """Turn planes of OKLab [3, ...] into planes of linear light, unclipped."""
    lms = mixed(_FROM_LAB, lab)
    return mixed(_FROM_LMS, lms * lms * lms)


@dataclass(frozen=True, slots=True)
class Gamut:
    """The colours that a screen or a file has.

    Parameters
    ----------
    title : what a person reads
    primaries : x, y of red, green and blue; white is always D65
    code : of the primaries in ITU-T H.273
    """

    title: str
    primaries: tuple[tuple[float, float], tuple[float, float], tuple[float, float]]
    code: int

    def to_xyz(self) -> NDArray[np.float64]:
        """Give the matrix from its linear light to CIE XYZ, white at Y = 1."""
        columns = np.array([[x / y, 1.0, (1 - x - y) / y] for x, y in self.primaries]).T
        return np.asarray(columns * np.linalg.solve(columns, WHITE))

    def from_srgb(self) -> NDArray[np.float64]:
        """Give the matrix from linear light of sRGB to linear light of this gamut."""
        return np.asarray(np.linalg.solve(self.to_xyz(), GAMUTS["srgb"].to_xyz()), np.float64)


# D65 from its chromaticity (0.3127, 0.3290), as all three standards round it.
WHITE = np.array([0.3127 / 0.3290, 1.0, (1 - 0.3127 - 0.3290) / 0.3290])
GAMUTS = {
    "srgb": Gamut("sRGB", ((0.640, 0.330), (0.300, 0.600), (0.150, 0.060)), 1),
    "display-p3": Gamut("Display P3", ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060)), 12),
    "rec2020": Gamut("Rec. 2020", ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046)), 9),
}


def gamut_of(name: object) -> Gamut:
    """Find a gamut by its name."""
    if not isinstance(name, str):
        raise InvalidInput(f"gamut is {name!r:.60}; expected one of {', '.join(GAMUTS)}.")
    if name not in GAMUTS:
        raise unknown_name("gamut", name, list(GAMUTS))
    return GAMUTS[name]


def into_gamut(light: NDArray[np.float32], gamut: Gamut) -> NDArray[np.float32]:
    """Bring planes of linear sRGB light [3, ...] into a gamut, as planes of its linear light.

    Hue and lightness of what does not fit are kept and the chroma is lowered in OKLab until it
    fits: a clipped channel would turn the hue.
    """
    matrix = gamut.from_srgb()
    planes = light if gamut.code == 1 else mixed(matrix, light)
    out = ((planes < -SLACK) | (planes > 1 + SLACK)).any(axis=0)
    if out.any():
        planes = planes.copy() if planes is light else planes
        planes[:, out] = _lowered(light[:, out], matrix)
    return np.clip(planes, 0.0, 1.0)


def _lowered(light: NDArray[np.float32], matrix: NDArray[np.float64]) -> NDArray[np.float32]:
    """Lower the chroma of colours [3, n] by bisection until all channels lie from 0 to 1."""
    lab = lab_planes(light)
    lab[0] = np.clip(lab[0], 0.0, 1.0)
    low = np.zeros(lab.shape[1:], np.float32)
    high = np.ones_like(low)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        tried = mixed(matrix, light_planes(np.stack([lab[0], lab[1] * middle, lab[2] * middle])))
        fits = ((tried >= 0) & (tried <= 1)).all(axis=0)
        low, high = np.where(fits, middle, low), np.where(fits, high, middle)
    return mixed(matrix, light_planes(np.stack([lab[0], lab[1] * low, lab[2] * low])))
