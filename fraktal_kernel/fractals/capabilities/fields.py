"""Fields: the numbers behind a picture, the thin skin round `compute`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal, cast

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from fraktal_kernel.core.capability import Artifact, Needs, Run, capability
from fraktal_kernel.errors import InvalidInput
from fraktal_kernel.fractals.capabilities.picture import asking
from fraktal_kernel.fractals.compute import compute
from fraktal_kernel.fractals.escape import check_size
from fraktal_kernel.fractals.fields import KINDS, checked_fields
from fraktal_kernel.fractals.planner import plan_for, request_of
from fraktal_kernel.fractals.poster.space import check_room
from fraktal_kernel.fractals.poster.zarrs import pack
from fraktal_kernel.fractals.progress import apart, part_of
from fraktal_kernel.fractals.scene import MAX_ITER, Scene
from fraktal_kernel.fractals.storage import write_fields
from fraktal_kernel.fractals.view import View

# What is written, the artifact that is made of it, and what that is.
_FILES = {
    "npz": ("fields.npz", "fields.npz", "application/zip"),
    "exr": ("fields.exr", "fields.exr", "image/x-exr"),
    "zarr": ("fields.zarr", "fields.zarr.zip", "application/zip"),
}
# All arrays together; they are once more in memory while they are written.
_MOST_BYTES = 2 << 30


class ViewParams(BaseModel):
    """Where to look, in decimal texts of any length."""

    model_config = ConfigDict(extra="forbid")

    re: str = Field(title="Real part", description="Of the centre.")
    im: str = Field(title="Imaginary part", description="Of the centre.")
    width: str = Field(title="Width", description="Of what is seen, in the plane.")


class FieldsParams(BaseModel):
    """What to compute, how large, and as which file."""

    model_config = ConfigDict(extra="forbid")

    scene: Scene = Field(
        default=cast(Scene, "seahorse"),
        validate_default=True,
        title="Scene",
        description="A name, a .png that Fraktal saved, a .json file, or the scene itself.",
    )
    formula: str | None = Field(
        default=None,
        title="Formula",
        description="A name, or a text such as z**3 + c*z; empty for the scene's own.",
    )
    view: ViewParams | None = Field(
        default=None,
        title="View",
        description="Centre and width; empty for the scene's own.",
    )
    width: int = Field(
        default=1024,
        ge=1,
        title="Width",
        description="Width of the arrays.",
        json_schema_extra={"unit": "px"},
    )
    height: int = Field(
        default=768,
        ge=1,
        title="Height",
        description="Height of the arrays.",
        json_schema_extra={"unit": "px"},
    )
    fields: list[str] = Field(
        default=["iterations", "smooth"],
        title="Fields",
        description="What to know of each point.",
        json_schema_extra={"items": {"type": "string", "enum": list(KINDS)}},
    )
    max_iter: int | None = Field(
        default=None,
        ge=1,
        le=MAX_ITER,
        title="Iterations",
        description="A point that has not escaped after so many steps is inside; empty for the "
        "scene's own number, or one that suits a view of your own.",
        json_schema_extra={"unit": "steps"},
    )
    format: Literal["npz", "exr", "zarr"] = Field(
        default="npz",
        title="File",
        description="npz and zarr, as one .zarr.zip, hold all numbers exactly; EXR is for image "
        "programs.",
    )

    @field_validator("fields")
    @classmethod
    def _known_fields(cls, names: list[str]) -> list[str]:
        try:
            return list(checked_fields(names))
        except InvalidInput as error:
            raise ValueError(str(error)) from None

    @model_validator(mode="after")
    def _possible(self) -> FieldsParams:
        try:
            check_size(self.width, self.height)
            if self.needed_bytes > _MOST_BYTES:
                raise InvalidInput(
                    f"the fields take {self.needed_bytes:,} bytes; at most {_MOST_BYTES:,} can be "
                    "made at once, choose a smaller size or fewer fields."
                )
            request = request_of(self.wanted, self.width, self.height)
            plan_for(replace(request, fields=tuple(self.fields)))
        except InvalidInput as error:
            raise ValueError(str(error)) from None
        return self

    @property
    def needed_bytes(self) -> int:
        """How large the arrays are."""
        a_pixel = sum(16 if KINDS[name].dtype == "complex128" else 8 for name in self.fields)
        return self.width * self.height * a_pixel

    @property
    def suffixes(self) -> tuple[str, ...]:
        """What the name of the file may end in."""
        return (Path(_FILES[self.format][1]).suffix,)

    @property
    def wanted(self) -> Scene:
        """The scene with the changes asked for."""
        scene = self.scene
        if self.formula is not None and self.formula != scene.formula:
            scene = replace(scene, formula=self.formula, parameters={})
        if self.view is not None:
            scene = replace(scene, view=View(self.view.re, self.view.im, self.view.width))
        return scene

    @property
    def limit(self) -> int | None:
        """The most steps; None where a limit has to be found."""
        if self.max_iter is not None or self.view is not None:
            return self.max_iter
        return self.scene.max_iter


class FieldsResult(BaseModel):
    """The file, and how its numbers came about."""

    fields: Artifact
    names: list[str]
    width_px: int
    height_px: int
    max_iter: int
    seconds: float
    method: str
    device: str


@capability(
    "fractal.compute",
    title="Compute the numbers of a fractal",
    needs=Needs(cores=2, memory_bytes=4 << 30),
    examples=[
        {"scene": "seahorse", "fields": ["smooth", "distance"], "width": 1920, "height": 1080},
        {
            "formula": "burning_ship",
            "view": {"re": "-1.7548776662", "im": "-0.0283", "width": "0.02"},
            "format": "zarr",
        },
    ],
)
def compute_fields(params: FieldsParams, run: Run) -> FieldsResult:
    """Compute fields of a view, such as counts and distances, as arrays that carry what they are.

    `read_fields` reads them again, so that colouring never has to compute.
    """
    scene, cancelled, scratch = params.wanted, asking(run), run.scratch()
    written, name, media_type = _FILES[params.format]
    # The file, perhaps packed, and once more while it is kept as an artifact.
    check_room(scratch / written, 3 * params.needed_bytes, what="fields")
    seed = scene.seed
    done = compute(
        *(scene.formula, scene.view.re, scene.view.im, scene.view.width, params.limit),
        (params.width, params.height),
        params.fields,
        (seed.re, seed.im) if seed else None,
        scene.view.rotation_deg,
        scene.view.skew,
        parameters=scene.parameters,
        progress=part_of(run.progress, 0.0, 0.9),
        cancelled=cancelled,
    )
    run.progress(0.9, "writing")
    # Compressing is no reason to let a cancel wait.
    apart(lambda: write_fields(scratch / written, done.fields, done.facts), cancelled)
    if name != written:
        pack(scratch / written, scratch / name, cancelled)
    run.log(f"{len(params.fields)} fields in {done.seconds:.2g} s, {done.method}")
    return FieldsResult(
        fields=run.save(name, scratch / name, media_type),
        names=params.fields,
        width_px=params.width,
        height_px=params.height,
        max_iter=done.facts["max_iter"],
        seconds=done.seconds,
        method=done.method,
        device=done.device,
    )
