"""Any valid scene."""

from __future__ import annotations

from hypothesis import strategies as st

from fraktal_kernel.fractals import Scene, Seed, View, palettes
from fraktal_kernel.fractals.colouring.look import Look
from fraktal_kernel.fractals.fields import KINDS

FORMULAS = (
    ("mandelbrot", {}),
    ("multibrot", {"power": 5}),
    ("burning_ship", {}),
    ("nova", {"relaxation": 0.5, "polynomial": "z**4 - 1"}),
    ("z**3 + c*z + p", {"p": "i/3"}),
)


def decimals(places: int = 40) -> st.SearchStrategy[str]:
    """Numbers from -2 to 2, deep ones among them."""
    return st.decimals(-2, 2, places=places).map(str)


def views(turned: bool = True) -> st.SearchStrategy[View]:
    """Make views at any depth; widths of 25 digits."""
    widths = st.builds(
        lambda digits, power: f"{digits}e{power}",
        st.integers(1, 10**25 - 1),
        st.integers(-3000, -25),
    )
    angles = st.floats(-180, 180) if turned else st.just(0.0)
    skews = st.sampled_from([None, ((1.0, 0.5), (0.0, 1.0)), ((2.0, 0.0), (0.25, 0.5))])
    return st.builds(View, decimals(), decimals(), widths, angles, skews if turned else st.none())


@st.composite
def scenes(draw: st.DrawFn) -> Scene:
    """Scenes with all their parts."""
    formula, parameters = draw(st.sampled_from(FORMULAS))
    looks = st.sampled_from([None, Look(), Look.default("ember", 2.0, 0.25)])
    return Scene(
        formula,
        draw(views()),
        draw(st.none() | st.builds(Seed, decimals(), decimals())),
        draw(st.integers(1, 10**9)),
        draw(st.sampled_from(list(palettes))),
        draw(st.floats(0.001, 1000)),
        draw(st.floats(0, 1)),
        parameters,
        draw(looks),
        tuple(draw(st.lists(st.sampled_from(list(KINDS)), unique=True, max_size=4))),
    )
