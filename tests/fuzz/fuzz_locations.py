"""Throw bytes at the readers of other programs' files: ``-m tests.fuzz.fuzz_locations``.

The first byte chooses the ending of the file. What is read must be a scene that survives plain
data; what can be written must be read again.
"""

from __future__ import annotations

import atheris

with atheris.instrument_imports(include=["fraktal_kernel.fractals.exchange"]):
    from fraktal_kernel.fractals.exchange import location_of, write_fraktaler, write_kfr

from fraktal_kernel.errors import InvalidInput
from fraktal_kernel.fractals import Scene
from tests.fuzz.harness import fuzz

NAMES = ("a.kfr", "b.toml", "c.xpf", "d")
SEEDS = {
    "kfr": b"\0Re: -0.75\r\nIm: 0.1\r\nZoom: 1.00e001\r\nIterations: 2630\r\nIterDiv: 0.5\r\n"
    b"ColorOffset: 256\r\nPower: 2\r\nFractalType: 0\r\nRotateAngle: 30\r\nStretchAngle: 10\r\n"
    b"StretchAmount: 0.5\r\nImagPointsUp: 1\r\nUseHybridFormula: 0\r\n",
    "fraktaler": b'\1program = "fraktaler-3"\nlocation.real = "-1.75"\nlocation.imag = \'\'\'\n-0.0'
    b"\n25'''\nlocation.zoom = \"8\"\nbailout.iterations = 5000\nimage.width = 1024\n"
    b"image.height = 512\ntransform.reflect = true\ntransform.rotate = 3\n"
    b"transform.stretch_angle = 1\ntransform.stretch_amount = 20\n[[formula]]\nabs_x = true\n"
    b"abs_y = true\nneg_y = true\npower = 3\n",
    "rust": b'\1real = "-0.5"\nimag = "0.25"\nzoom = "4E0"\niterations = 1200\nrotate = 20\n'
    b"image_width = 40\nimage_height = 30\n",
    "ours": b'\1version = 2\nformula = "multibrot"\nparameters = {power = 4}\nmax_iter = 5\n'
    b'view = {re = "0", im = "1", width = "1e-9", rotation_deg = 3.5, skew = [[1, 0.5], [0, 1]]}\n',
    "xpf": b"\2;Position file\n(initstate)\n(formula 'mandel)\n(juliaseed 0.3 0.45)\n(maxiter 388)"
    b"\n(julia #t)\n(view 0.2737 -2.017 1.5 1.5)\n(angle 45)\n(plane 0)\n(perturbation 0 0)\n",
    "user": b'\2(formula \'user)\n(usrform "z^3+c*p")\n(usrformInit "0")\n(view 0 0 4 3)\n',
}


def read(data: bytes) -> None:
    """Read one file."""
    name = NAMES[data[0] % len(NAMES)] if data else NAMES[-1]
    scene, notes = location_of(data[1:], name)
    assert Scene.from_dict(scene.to_dict()) == scene
    assert all("\n" not in note for note in notes), notes
    for write in (write_kfr, write_fraktaler):
        try:
            text = write(scene)
        except InvalidInput:
            continue
        again, _ = location_of(text, "again")
        assert again.view.re == scene.view.re, text
        # The multibrot set of power 2 comes back by its other name.
        named = "mandelbrot" if scene.parameters.get("power") == 2 else scene.formula
        assert again.formula in (scene.formula, named), text


if __name__ == "__main__":
    fuzz(read, SEEDS)
