"""Scenes with names: where to begin."""

from __future__ import annotations

from fraktal_kernel.fractals.colouring.looks import looks
from fraktal_kernel.fractals.scene import HOME_VIEW, Scene, Seed
from fraktal_kernel.fractals.view import View
from fraktal_kernel.registry import Registry

scenes: Registry[Scene] = Registry("scene", group="fraktal.scenes")


def _mandelbrot(
    name: str, re: str, im: str, width: str, max_iter: int, palette: str, offset: float = 0.0
) -> None:
    view = View(re, im, width)
    scenes.add(name, Scene(view=view, max_iter=max_iter, palette=palette, offset=offset))


def _julia(name: str, re: str, im: str, width: str, palette: str, offset: float = 0.0) -> None:
    view, seed = View("0", "0", width), Seed(re, im)
    scene = Scene(view=view, seed=seed, max_iter=2000, palette=palette, offset=offset)
    scenes.add(name, scene)


def _lit(name: str, re: str, im: str, width: str, max_iter: int, look: str) -> None:
    scenes.add(name, Scene(view=View(re, im, width), max_iter=max_iter, look=looks[look]))


# Where a formula is seen as a whole: its plane of c, and its Julia sets where they are larger.
_WHOLE, _TYPED = View("0", "0", "4"), View("0", "0", "5")
_HOMES = {
    "mandelbrot": HOME_VIEW,
    "multibrot": View("0", "0", "3.8"),
    "burning_ship": View("-0.4", "0.5", "4"),
    "perpendicular_burning_ship": View("-0.6", "0", "3.6"),
    "celtic": View("-0.4", "0", "4"),
    "buffalo": View("-0.5", "0.5", "3.6"),
    "tricorn": View("-0.2", "0", "4"),
    "shark_fin": View("-0.4", "0.05", "3.4"),
    "phoenix": View("-0.1", "0", "4"),
    "lambda": View("1", "0", "7"),
    "magnet1": View("1.4", "0", "5"),
    "magnet2": View("1.6", "0", "4.6"),
    "nova": View("-0.25", "0", "2.4"),
    "newton": _WHOLE,
}
_JULIA_HOMES = {
    "lambda": View("0.5", "0", "2.6"),
    "magnet1": View("0.5", "0", "8"),
    "magnet2": View("0.5", "0", "8"),
    "newton": _WHOLE,
    "nova": _WHOLE,
}


def home_view(formula: str, julia: bool = False) -> View:
    """Give the view that shows a formula as a whole, or its Julia sets.

    Examples
    --------
    >>> home_view("burning_ship").width, home_view("z**4 + c", julia=True).width
    ('4', '3.3')
    """
    if julia:
        return _JULIA_HOMES.get(formula, View("0", "0", "3.3"))
    return _HOMES.get(formula, _TYPED)


scenes.add("full_set", Scene(view=HOME_VIEW))
_mandelbrot("seahorse", "-0.7453", "0.1127", "0.0065", 5000, "aurora", 0.4)
_mandelbrot(
    "seahorse_valley", "-0.746223962861", "-0.0959468433527", "0.00745", 5000, "aurora", 0.4
)
_mandelbrot("seahorse_tail", "-0.7435669", "0.1314023", "0.0022878", 5000, "classic")
_mandelbrot("elephant", "0.286931868895", "0.0142866939041", "0.00035", 3000, "ember", 0.1)
_mandelbrot("minibrot", "-1.7548776662466927", "0", "0.05", 5000, "classic")
_mandelbrot("satellite", "-0.743643887037151", "0.13182590420533", "0.000051299", 8000, "glacier")
_mandelbrot("crossroads", "0.3245046418497685", "0.048551011292808", "0.0006", 3000, "ember", 0.3)
_mandelbrot("starfish", "-0.374004139", "0.659792175", "0.006", 3000, "beacon")
_mandelbrot("lightning", "-1.25066", "0.02012", "0.00034", 5000, "glacier")
_julia("julia_dragon", "-0.8", "0.156", "3.2", "porcelain")
_julia("julia_galaxies", "-0.4", "0.6", "3", "classic")
_julia("julia_pearls", "0.285", "0.01", "2.6", "ember", 0.4)
_julia("julia_rabbit", "-0.123", "0.745", "3.3", "aurora")

# Other families.
scenes.add(
    "burning_ship",
    Scene(
        "burning_ship",
        View("-1.7548", "0.0305", "0.13"),
        max_iter=2000,
        palette="ember",
        offset=0.55,
    ),
)
scenes.add(
    "armada",
    Scene("burning_ship", View("-1.86152", "0.0035", "0.02"), max_iter=2000, palette="dusk"),
)
scenes.add("celtic_crown", Scene("celtic", View("-1.05", "0", "2.1", rotation_deg=90)))
scenes.add(
    "clover",
    Scene("multibrot", View("-0.05", "0", "2.9"), palette="glacier", parameters={"power": 4}),
)
scenes.add("tricorn", Scene("tricorn", View("-0.2", "0", "4"), palette="moonstone"))
scenes.add(
    "shark_fin",
    Scene("shark_fin", View("-1.35", "0", "0.7"), palette="ember"),
)
scenes.add(
    "phoenix",
    Scene(
        "phoenix",
        View("0", "0", "3.1", rotation_deg=90),
        Seed("0.5667", "0"),
        max_iter=2000,
        palette="ember",
    ),
)
scenes.add(
    "newton_flower",
    Scene(
        "newton",
        View("0", "0", "2.4"),
        max_iter=300,
        palette="porcelain",
        parameters={"polynomial": "z**5 - 1"},
    ),
)
scenes.add("nova_gate", Scene("nova", View("-0.25", "0", "1.6"), palette="aurora"))
scenes.add(
    "magnet_rings", Scene("magnet1", View("1.3", "0", "4.6"), max_iter=500, palette="classic")
)
scenes.add(
    "lambda_silk",
    Scene(
        "lambda", View("0.5", "0", "2.2"), Seed("0.85", "0.6"), max_iter=1000, look=looks["stripes"]
    ),
)

# Colour in layers, and light.
_lit("bronze_valley", "-0.746223962861", "-0.0959468433527", "0.00745", 5000, "relief")
_lit("satellite_rays", "-0.743643887037151", "0.13182590420533", "0.000051299", 8000, "stalks")

# Far below float64. The places are from the examples of Fractalshades (G. Billotey); the second is
# Dinkydau's flake, a test for programs that zoom deep.
_lit(
    "deep_wheel",
    "-1.76866786283748881262741947",
    "0.0016455805468202094303259",
    "1.6e-21",
    50_000,
    "relief",
)
_lit(
    "deep_flake",
    "-1.999966194450370304184346885063505796755312415407248515117619229448015842423426843813761297"
    "78868913812287046406560949864353810575744772166485672496092803920095332",
    "-0.000000000000000000000000000000000300138243679093832407249730397759249873468311907733352701"
    "74257280120474975614823581185647299288414075519224186504978181625478529",
    "1.7e-157",
    1_000_000,
    "histogram",
)
