"""Films: the thin skin round `film`."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import cast

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, model_validator

from fraktal_kernel.core.capability import Artifact, Needs, Run, capability
from fraktal_kernel.errors import FraktalError
from fraktal_kernel.fractals.cache import cache_folder
from fraktal_kernel.fractals.capabilities.picture import asking
from fraktal_kernel.fractals.film.easing import EASINGS
from fraktal_kernel.fractals.film.encode import CODECS
from fraktal_kernel.fractals.film.make import film, plans
from fraktal_kernel.fractals.film.script import (
    MAX_ANTIALIAS,
    MAX_FPS,
    MAX_KEYS,
    SIDES,
    Film,
    Key,
    zoom,
)
from fraktal_kernel.fractals.scene import Scene

_MEDIA_TYPES = {".mp4": "video/mp4", ".webm": "video/webm", ".mov": "video/quicktime"}


class KeyParams(BaseModel):
    """A scene at a time."""

    model_config = ConfigDict(extra="forbid")

    time_s: float = Field(ge=0, title="Time", json_schema_extra={"unit": "s"})
    scene: Scene = Field(title="Scene", description="What is seen then.")
    easing: str = Field(
        default="smooth",
        title="Easing",
        description="How the way to the next key is gone.",
        json_schema_extra={"enum": list(EASINGS)},
    )
    turns: int = Field(
        default=0, title="Turns", description="Whole turns on the way to the next key."
    )
    passes: int = Field(
        default=0,
        title="Passes",
        description="How often the palette is passed through on the way to the next key.",
    )


class FilmParams(BaseModel):
    """What to film, and how."""

    model_config = ConfigDict(extra="forbid")

    scene: Scene = Field(
        default=cast(Scene, "seahorse_tail"),
        validate_default=True,
        title="Scene",
        description="Where the zoom ends: a name, a file, or the scene itself.",
    )
    seconds: float = Field(
        default=20.0,
        title="Length",
        description="How long the film is.",
        json_schema_extra={"unit": "s"},
    )
    start: Scene | None = Field(
        default=None,
        title="Start",
        description="Where the zoom begins; empty for the whole set.",
    )
    width: int = Field(
        default=1280,
        ge=SIDES[0],
        le=SIDES[1],
        multiple_of=2,
        title="Width",
        description="Width of the frames, even.",
        json_schema_extra={"unit": "px"},
    )
    height: int = Field(
        default=720,
        ge=SIDES[0],
        le=SIDES[1],
        multiple_of=2,
        title="Height",
        description="Height of the frames, even.",
        json_schema_extra={"unit": "px"},
    )
    fps: float = Field(
        default=30.0,
        gt=0,
        le=MAX_FPS,
        title="Frames a second",
        description="How smoothly it moves.",
        json_schema_extra={"unit": "frames/s"},
    )
    codec: str = Field(
        default="h264",
        title="Codec",
        description="h264 plays everywhere (.mp4), av1 is smaller (.webm), prores is for editing "
        "(.mov).",
        json_schema_extra={"enum": list(CODECS)},
    )
    quality: int = Field(
        default=75,
        ge=0,
        le=100,
        title="Quality",
        description="75 is hard to tell from the original; more makes larger files.",
    )
    antialias: int = Field(
        default=1,
        ge=1,
        le=MAX_ANTIALIAS,
        title="Antialiasing",
        description="Samples a side of each pixel, at least.",
        json_schema_extra={"unit": "samples a side"},
    )
    easing: str = Field(
        default="gentle",
        title="Easing",
        description="How the zoom gains and loses its speed.",
        json_schema_extra={"enum": list(EASINGS)},
    )
    turns: int = Field(default=0, title="Turns", description="Whole turns on the way.")
    passes: int = Field(
        default=0,
        title="Passes",
        description="How often the palette is passed through on the way.",
    )
    keys: list[KeyParams] = Field(
        default_factory=list,
        max_length=MAX_KEYS,
        title="Keys",
        description="Scenes at times, instead of a zoom to the scene.",
    )
    _film: Film | None = PrivateAttr(None)

    @model_validator(mode="after")
    def _possible(self) -> FilmParams:
        options = {
            name: getattr(self, name)
            for name in ("width", "height", "fps", "codec", "quality", "antialias")
        }
        try:
            if self.keys:
                keys = tuple(
                    Key(key.time_s, key.scene, key.easing, key.turns, key.passes)
                    for key in self.keys
                )
                self._film = Film(keys, **options)
            else:
                self._film = zoom(
                    self.scene,
                    self.seconds,
                    start=self.start,
                    easing=self.easing,
                    turns=self.turns,
                    passes=self.passes,
                    **options,
                )
            plans(self._film)
        except FraktalError as error:
            raise ValueError(str(error)) from None
        return self

    @property
    def suffixes(self) -> tuple[str, ...]:
        """What the name of the file may end in."""
        return CODECS[self.codec].suffixes[:1]

    @property
    def film(self) -> Film:
        """The film that is meant."""
        assert self._film is not None
        return self._film


class FilmResult(BaseModel):
    """The film, and what it took."""

    film: Artifact
    frames: int
    width_px: int
    height_px: int
    samples: int
    seconds: float
    method: str


@capability(
    "fractal.film",
    title="Make a film of a fractal",
    needs=Needs(cores=2),
    examples=[
        {"scene": "seahorse_tail", "seconds": 30, "width": 1920, "height": 1080},
        {
            "keys": [
                {"time_s": 0, "scene": "julia_rabbit"},
                {"time_s": 8, "scene": "julia_dragon"},
            ]
        },
    ],
)
def make_film(params: FilmParams, run: Run) -> FilmResult:
    """Make a film that zooms into a scene, or goes from key to key, and carries what it shows.

    What is done stays in the cache folder until the film is complete, so that the same film,
    asked for again after a stop, goes on where it was.
    """
    what = params.film
    suffix = CODECS[what.codec].suffixes[0]
    folder = cache_folder("films")
    with tempfile.TemporaryDirectory(dir=folder, prefix="film-") as place:
        made = film(
            Path(place) / f"film{suffix}",
            what,
            work=folder / what.digest() if folder else None,
            progress=run.progress,
            cancelled=asking(run),
        )
        run.log(f"{made.frames} frames in {made.seconds:.3g} s: {made.method}")
        kept = run.save(f"film{suffix}", made.place, _MEDIA_TYPES[suffix])
    return FilmResult(
        film=kept,
        frames=made.frames,
        width_px=what.width,
        height_px=what.height,
        samples=made.samples,
        seconds=made.seconds,
        method=made.method,
    )
