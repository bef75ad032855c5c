"""What the workbench can do with fractals: the thin skin round `render` and `poster`."""

from __future__ import annotations

import time
from dataclasses import asdict, replace
from typing import Any, Literal, cast

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from fraktal_kernel.core.capability import Artifact, Needs, Run, capability
from fraktal_kernel.errors import InvalidInput
from fraktal_kernel.fractals.antialias import MAX_SAMPLES, Antialias
from fraktal_kernel.fractals.film import capability as _films  # noqa: F401  (registers it)
from fraktal_kernel.fractals.palettes import palettes
from fraktal_kernel.fractals.palettes.light import GAMUTS
from fraktal_kernel.fractals.planner import plan_for, request_of
from fraktal_kernel.fractals.poster import poster
from fraktal_kernel.fractals.poster.cells import MAX_SIDE
from fraktal_kernel.fractals.poster.flat import check_flat, flatten
from fraktal_kernel.fractals.poster.space import check_room
from fraktal_kernel.fractals.poster.zarrs import pack
from fraktal_kernel.fractals.progress import Cancelled, part_of
from fraktal_kernel.fractals.render import MAX_ANTIALIAS, check_possible, render
from fraktal_kernel.fractals.resolve import raster_of
from fraktal_kernel.fractals.scene import MAX_ITER, Scene

# What grows tile by tile, the artifact that is made of it, and what that is.
_FILES = {
    "tiff": ("poster.tif", "poster.tif", "image/tiff"),
    "png": ("poster.zarr", "poster.png", "image/png"),
    "zarr": ("poster.zarr", "poster.zarr.zip", "application/zip"),
}
_PREVIEW_SIDE = 1200
# What else a picture's file holds: its scene, as a rule.
_HEAD_BYTES = 16_384


class RenderParams(BaseModel):
    """What to render, and how large."""

    model_config = ConfigDict(extra="forbid")

    scene: Scene = Field(
        default=cast(Scene, "seahorse"),
        validate_default=True,
        title="Scene",
        description="A name, a .png that Fraktal saved, a .json file, or the scene itself.",
    )
    width: int = Field(
        default=1024,
        ge=1,
        title="Width",
        description="Width of the picture.",
        json_schema_extra={"unit": "px"},
    )
    height: int = Field(
        default=768,
        ge=1,
        title="Height",
        description="Height of the picture.",
        json_schema_extra={"unit": "px"},
    )
    max_iter: int | None = Field(
        default=None,
        ge=1,
        le=MAX_ITER,
        title="Iterations",
        description="A point that has not escaped after so many steps is inside; "
        "empty for the scene's own number.",
        json_schema_extra={"unit": "steps"},
    )
    palette: str | None = Field(
        default=None,
        title="Palette",
        description="The colours; empty for the scene's own.",
        json_schema_extra={"enum": [*palettes, None]},
    )
    antialias: int = Field(
        default=1,
        ge=1,
        le=MAX_ANTIALIAS,
        title="Antialiasing",
        description="Each pixel is the mean of so many by so many samples.",
        json_schema_extra={"unit": "samples a side"},
    )

    @property
    def largest_bytes(self) -> int:
        """How large the file may become: that of a picture which cannot be compressed."""
        return self.height * (3 * self.width + 1) * 1001 // 1000 + _HEAD_BYTES

    @model_validator(mode="before")
    @classmethod
    def _as_the_picture(cls, data: Any, info: ValidationInfo) -> Any:
        """Repeat a picture in its own size, and as finely sampled, where nothing else is said."""
        if not isinstance(data, dict):
            return data
        try:
            raster = raster_of(data.get("scene"), (info.context or {}).get("roots", ()))
        except InvalidInput:  # the scene itself is refused, with a sentence of its own
            return data
        if raster is None:
            return data
        size = {} if {"width", "height"} & data.keys() else asdict(raster)
        return size | {"antialias": raster.antialias} | data

    @field_validator("palette")
    @classmethod
    def _known_palette(cls, name: str | None) -> str | None:
        try:
            return name if name is None or palettes[name] else None
        except InvalidInput as error:
            raise ValueError(str(error)) from None

    @model_validator(mode="after")
    def _possible(self) -> RenderParams:
        try:
            check_possible(self.scene, self.width, self.height, self.antialias)
        except InvalidInput as error:
            raise ValueError(str(error)) from None
        return self

    @property
    def wanted(self) -> Scene:
        """The scene with the changes asked for."""
        scene = self.scene
        if self.max_iter is not None:
            scene = replace(scene, max_iter=self.max_iter)
        return scene if self.palette is None else replace(scene, palette=self.palette)


class RenderResult(BaseModel):
    """The picture, and what it took."""

    picture: Artifact
    width_px: int
    height_px: int
    iterations: int
    seconds: float
    method: str


@capability(
    "fractal.render",
    title="Render a fractal picture",
    needs=Needs(cores=2),
    examples=[
        {"scene": "seahorse", "width": 1920, "height": 1080},
        {"scene": "julia_dragon", "palette": "ember", "antialias": 2},
    ],
)
def render_picture(params: RenderParams, run: Run) -> RenderResult:
    """Render a scene as a PNG picture that carries the scene, so that it can be made again."""
    picture = render(
        params.wanted,
        params.width,
        params.height,
        antialias=params.antialias,
        progress=run.progress,
        cancelled=_asking(run),
    )
    run.log(f"{picture.iterations:,} steps in {picture.seconds:.2g} s, {picture.method}")
    return RenderResult(
        picture=run.save("picture.png", picture.png(_asking(run)), "image/png"),
        width_px=params.width,
        height_px=params.height,
        iterations=picture.iterations,
        seconds=picture.seconds,
        method=picture.method,
    )


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
    scene, cancelled, scratch = params.wanted, _asking(run), run.scratch()
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


def _asking(run: Run) -> Cancelled:
    """Let the computation end as the run's own cancellation."""

    def cancelled() -> bool:
        run.check_cancelled()
        return False

    return cancelled
