"""Pictures: the thin skin round `render`."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any, cast

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
from fraktal_kernel.fractals.palettes import palettes
from fraktal_kernel.fractals.progress import Cancelled
from fraktal_kernel.fractals.render import MAX_ANTIALIAS, check_possible, render
from fraktal_kernel.fractals.resolve import raster_of
from fraktal_kernel.fractals.scene import MAX_ITER, Scene

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
        description="The colours, of the lowest layer where there are several; empty for the "
        "scene's own.",
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

    @property
    def suffixes(self) -> tuple[str, ...]:
        """What the name of the file may end in."""
        return (".png",)

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
        return scene if self.palette is None else scene.coloured(self.palette)


class RenderResult(BaseModel):
    """The picture, and what it took."""

    picture: Artifact
    width_px: int
    height_px: int
    iterations: int
    seconds: float
    method: str


def asking(run: Run) -> Cancelled:
    """Let the computation end as the run's own cancellation."""

    def cancelled() -> bool:
        run.check_cancelled()
        return False

    return cancelled


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
        cancelled=asking(run),
    )
    counted = f"{picture.iterations:,} steps in " if picture.iterations else ""
    run.log(f"{counted}{picture.seconds:.2g} s, {picture.method}")
    return RenderResult(
        picture=run.save("picture.png", picture.png(asking(run)), "image/png"),
        width_px=params.width,
        height_px=params.height,
        iterations=picture.iterations,
        seconds=picture.seconds,
        method=picture.method,
    )
