"""Posters: the thin skin round `poster`."""

from __future__ import annotations

import time
from typing import Any, Literal

from pydantic import BaseModel, Field, ValidationInfo, field_validator, model_validator

from fraktal_kernel.core.capability import Artifact, Needs, Run, capability
from fraktal_kernel.errors import InvalidInput
from fraktal_kernel.fractals.antialias import MAX_SAMPLES, Antialias
from fraktal_kernel.fractals.capabilities.picture import RenderParams, asking
from fraktal_kernel.fractals.palettes.light import GAMUTS
from fraktal_kernel.fractals.planner import plan_for, request_of
from fraktal_kernel.fractals.poster import poster
from fraktal_kernel.fractals.poster.cells import MAX_SIDE
from fraktal_kernel.fractals.poster.flat import check_flat, flatten
from fraktal_kernel.fractals.poster.space import check_room
from fraktal_kernel.fractals.poster.zarrs import pack
from fraktal_kernel.fractals.progress import Cancelled, part_of
from fraktal_kernel.fractals.render import render
from fraktal_kernel.fractals.resolve import raster_of

# What grows tile by tile, the artifact that is made of it, and what that is.
_FILES = {
    "tiff": ("poster.tif", "poster.tif", "image/tiff"),
    "png": ("poster.zarr", "poster.png", "image/png"),
    "zarr": ("poster.zarr", "poster.zarr.zip", "application/zip"),
}
_SUFFIXES = {"tiff": (".tif", ".tiff"), "png": (".png",), "zarr": (".zip",)}
_PREVIEW_SIDE = 1200


class PosterParams(RenderParams):
    """What to make a poster of, how large, and as which file."""

    width: int = Field(
        default=8000,
        ge=1,
        le=MAX_SIDE,
        title="Width",
        description="Width of the poster; at 300 dots an inch, 1000 pixels are 8.5 cm.",
        json_schema_extra={"unit": "px"},
    )
    height: int = Field(
        default=6000,
        ge=1,
        le=MAX_SIDE,
        title="Height",
        description="Height of the poster.",
        json_schema_extra={"unit": "px"},
    )
    antialias: int = Field(
        default=2,
        ge=1,
        le=MAX_SAMPLES,
        title="Antialiasing",
        description="Pixels where colours change are the mean of so many by so many samples.",
        json_schema_extra={"unit": "samples a side"},
    )
    format: Literal["tiff", "png", "zarr"] = Field(
        default="tiff",
        title="File",
        description="TIFF for printers and image programs, PNG for all others, "
        "zarr as one .zarr.zip for arrays.",
    )
    bits: Literal[8, 16] = Field(
        default=8,
        title="Depth",
        description="Bits of each colour; 16 where the poster is worked on further.",
        json_schema_extra={"unit": "bits"},
    )
    gamut: str = Field(
        default="srgb",
        title="Gamut",
        description="The colours that pixels can mean; what only knows sRGB shows others pale.",
        json_schema_extra={"enum": list(GAMUTS)},
    )

    @property
    def suffixes(self) -> tuple[str, ...]:
        """What the name of the file may end in."""
        return _SUFFIXES[self.format]

    @model_validator(mode="before")
    @classmethod
    def _as_the_picture(cls, data: Any, info: ValidationInfo) -> Any:
        """Give a picture that is named as the scene its own shape, where none is said."""
        if not isinstance(data, dict) or {"width", "height"} <= data.keys():
            return data
        try:
            raster = raster_of(data.get("scene"), (info.context or {}).get("roots", ()))
        except InvalidInput:  # the scene itself is refused, with a sentence of its own
            return data
        if raster is None:
            return data
        width, height = data.get("width"), data.get("height")
        try:
            if height is not None:
                width = round(int(height) * raster.width / raster.height)
            elif width is None:
                width = round(8000 * min(1, raster.width / raster.height))
            height = height or round(int(width) * raster.height / raster.width)
        except (TypeError, ValueError):  # refused by its own field
            return data
        return data | {"width": max(width, 1), "height": max(height, 1)}

    @field_validator("gamut")
    @classmethod
    def _known_gamut(cls, name: str) -> str:
        if name not in GAMUTS:
            raise ValueError(f"expected one of {', '.join(GAMUTS)}")
        return name

    @model_validator(mode="after")
    def _possible(self) -> PosterParams:
        try:
            if self.format == "png":
                check_flat(self.width, self.height)
            plan_for(request_of(self.wanted, self.width, self.height))
        except InvalidInput as error:
            raise ValueError(str(error)) from None
        return self


class PosterResult(BaseModel):
    """The poster, a small picture of it, and what it took."""

    poster: Artifact
    preview: Artifact
    width_px: int
    height_px: int
    seconds: float


@capability(
    "fractal.poster",
    title="Make a poster",
    needs=Needs(cores=2, memory_bytes=2 << 30),
    examples=[
        {"scene": "seahorse", "width": 20_000, "height": 15_000},
        {"scene": "julia_dragon", "width": 4000, "height": 3000, "format": "zarr", "bits": 16},
    ],
)
def make_poster(params: PosterParams, run: Run) -> PosterResult:
    """Make a picture of up to 100,000 x 100,000 pixels, tile by tile, that goes on after a stop.

    On a workbench with a Dask scheduler the workers of the cluster make the tiles.
    """
    scene, cancelled, scratch = params.wanted, asking(run), run.scratch()
    grown, name, media_type = _FILES[params.format]
    place, file = scratch / grown, scratch / name
    if not place.exists() and not file.exists():
        # The poster, and once more while it is kept as an artifact.
        check_room(place, 2 * 3 * params.bits // 8 * params.width * params.height)
    cluster = run.cluster()
    preview = _preview(params, run, cancelled)
    began = time.perf_counter()
    if not place.exists() and not file.exists():  # else a worker died while it was being kept
        tell = part_of(run.progress, 0.02, 0.95)
        done = poster(
            place,
            scene,
            params.width,
            params.height,
            bits=params.bits,
            gamut=params.gamut,
            antialias=Antialias(params.antialias),
            scheduler=cluster,
            progress=tell,
            cancelled=cancelled,
        )
        where = f" by the workers of {cluster}" if cluster else ""
        run.log(f"{done.made} of {done.tiles} tiles made in {done.seconds:.3g} s{where}")
    if not file.exists() and params.format == "png":
        tell = part_of(run.progress, 0.95, 0.99)
        flatten(place, file, scene, params.gamut, tell, cancelled)
    elif not file.exists():
        run.progress(0.95, "packing")
        pack(place, file, cancelled)
    run.progress(0.99, "keeping the file")
    return PosterResult(
        poster=run.save(name, file, media_type),
        preview=preview,
        width_px=params.width,
        height_px=params.height,
        seconds=time.perf_counter() - began,
    )


def _preview(params: PosterParams, run: Run, cancelled: Cancelled) -> Artifact:
    """Keep a small picture of what the poster will be, before the long part begins."""
    kept: list[Artifact] = []

    def make() -> dict[str, Any]:
        by = min(1.0, _PREVIEW_SIDE / max(params.width, params.height))
        width, height = (max(1, round(by * side)) for side in (params.width, params.height))
        tell = part_of(run.progress, 0.0, 0.02)
        picture = render(
            params.wanted, width, height, antialias=2, progress=tell, cancelled=cancelled
        )
        kept.append(run.save("preview.png", picture.png(cancelled), "image/png"))
        return kept[0].model_dump()

    facts = run.step("preview", make)
    return kept[0] if kept else Artifact(**facts)
