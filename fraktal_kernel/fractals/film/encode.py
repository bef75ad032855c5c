"""Film files: frames are encoded in segments, and the segments joined without encoding again.

References
----------
ITU-T H.264, AV1 by SVT-AV1, ProRes 422 HQ, all through PyAV; ITU-R BT.709 for the colours.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fraktal_kernel.errors import InvalidInput, MissingExtra
from fraktal_kernel.fractals.film.script import Film
from fraktal_kernel.fractals.progress import Cancelled, Stopped

# Code of ITU-R BT.709 in ITU-T H.273, for primaries, transfer and matrix.
_BT709 = 1


@dataclass(frozen=True, slots=True)
class Codec:
    """One kind of film.

    Parameters
    ----------
    encoder : name in FFmpeg
    pixels : format of its pixels
    suffixes : of the files that may hold it, the first its own
    segment : suffix of a segment
    bytes_a_pixel : what it takes at most of a film that is hard to compress, at quality 75
    """

    encoder: str
    pixels: str
    suffixes: tuple[str, ...]
    segment: str
    bytes_a_pixel: float


CODECS = {
    "h264": Codec("libx264", "yuv420p", (".mp4", ".mov"), ".mp4", 0.3),
    "av1": Codec("libsvtav1", "yuv420p10le", (".webm", ".mp4"), ".mp4", 0.25),
    "prores": Codec("prores_ks", "yuv422p10le", (".mov",), ".mov", 0.8),
}
_MUXERS = {
    ".mp4": ("mp4", {"movflags": "faststart"}),
    ".mov": ("mov", {"movflags": "faststart"}),
    ".webm": ("webm", {"cues_to_front": "1"}),
}


def pyav() -> Any:
    """Import PyAV where a film is made."""
    try:
        import av
    except ImportError:
        raise MissingExtra("films need PyAV: pip install 'fraktal[pictures]'") from None
    av.logging.set_level(None)
    os.environ.setdefault("SVT_LOG", "1")  # errors alone; else it tells of every segment
    return av


def checked_place(place: Path, codec: str) -> None:
    """Refuse a file whose ending does not hold this codec."""
    suffixes = CODECS[codec].suffixes
    if place.suffix.lower() not in suffixes:
        raise InvalidInput(
            f"{place.name!r:.100} cannot hold {codec}; name a file that ends in "
            f"{' or '.join(suffixes)}."
        )


def options_of(film: Film) -> dict[str, str]:
    """Give the options of the encoder for a quality from 0 to 100."""
    bad = 1 - film.quality / 100
    keys = str(2 * max(round(film.rate), 1))
    if film.codec == "h264":
        # With another count of threads, a lookahead thread or its tree, x264's bytes depend on
        # the machine and on how its threads happen to run; a film that goes on must not.
        return {
            "crf": f"{6 + 44 * bad:.1f}",
            "preset": "veryfast",
            "threads": "4",
            "mbtree": "0",
            "x264-params": "sync-lookahead=0",
            "g": keys,
        }
    if film.codec == "av1":
        parameters = "tune=0:lp=4:scd=0"
        return {
            "crf": str(round(8 + 52 * bad)),
            "preset": "9",
            "g": keys,
            "svtav1-params": parameters,
        }
    return {"profile": "3", "vendor": "apl0", "qscale": str(round(2 + 28 * bad))}


class Encoder:
    """Encodes one segment: frames go in, a file of its own is complete at the end.

    Parameters
    ----------
    path : of the segment, written beside it and moved there when it is complete
    film : that it is part of
    """

    def __init__(self, path: Path, film: Film) -> None:
        av = pyav()
        codec = CODECS[film.codec]
        self.path, self.part = path, path.with_name(f".{path.name}.part")
        self.pixels, self.count = codec.pixels, 0
        self.container = av.open(str(self.part), "w", format=_MUXERS[codec.segment][0])
        try:
            self.stream = self.container.add_stream(
                codec.encoder, rate=film.rate, options=options_of(film)
            )
            self.step = 1 / Fraction(film.rate)
            context = self.stream.codec_context
            self.stream.width, self.stream.height = film.width, film.height
            self.stream.pix_fmt = codec.pixels
            self.stream.time_base = context.time_base = self.step
            context.color_primaries = context.color_trc = context.colorspace = _BT709
            context.color_range = av.video.reformatter.ColorRange.MPEG
        except BaseException:
            self.close()
            raise
        self.frame_of = av.VideoFrame.from_ndarray
        self.reformatter = av.video.reformatter

    def add(self, codes: NDArray[np.uint16]) -> None:
        """Encode a frame: uint16 [h, w, 3] with the curve of sRGB."""
        kinds = self.reformatter
        # The codes of a picture go into the film as they are, as all programs that play it expect.
        frame = self.frame_of(codes, format="rgb48le").reformat(
            format=self.pixels,
            src_colorspace=kinds.Colorspace.ITU709,
            dst_colorspace=kinds.Colorspace.ITU709,
            src_color_range=kinds.ColorRange.JPEG,
            dst_color_range=kinds.ColorRange.MPEG,
        )
        frame.pts, frame.time_base = self.count, self.step
        self.count += 1
        for packet in self.stream.codec_context.encode_lazy(frame):
            self._write(packet)

    def finish(self, cancelled: Cancelled | None = None) -> None:
        """Write what the encoder holds back, and let the segment appear."""
        for packet in self.stream.codec_context.encode_lazy(None):
            self._write(packet)
            if cancelled is not None and cancelled():
                raise Stopped("the film was cancelled before it was complete.")
        self.container.close()
        self.part.replace(self.path)

    def close(self) -> None:
        """Leave nothing of a segment that is not complete."""
        try:
            self.container.close()
        except (OSError, ValueError):
            pass  # a disk that is full cannot end a file either
        self.part.unlink(missing_ok=True)

    def _write(self, packet: Any) -> None:
        packet.stream = self.stream
        self.container.mux(packet)


def join(
    segments: list[tuple[Path, int]], place: Path, film: Film, cancelled: Cancelled | None = None
) -> None:
    """Join segments to a film that carries its own description as a comment.

    Parameters
    ----------
    segments : files and the numbers of their first frames, in the order of the film
    place : of the film; it appears whole or not at all
    """
    av = pyav()
    muxer, options = _MUXERS[place.suffix.lower()]
    part = place.with_name(f".{place.name}.{os.getpid()}.part")
    try:
        with av.open(str(part), "w", format=muxer, options=dict(options)) as out:
            out.metadata["comment"] = json.dumps(film.to_dict(), separators=(",", ":"))
            stream = None
            for path, first in segments:
                with av.open(str(path)) as segment:
                    source = segment.streams.video[0]
                    if stream is None:
                        stream = out.add_stream_from_template(source, opaque=True)
                        stream.time_base = source.time_base
                    for packet in _packets(segment, source, first, film.rate):
                        if cancelled is not None and cancelled():
                            raise Stopped("the film was cancelled before it was complete.")
                        packet.stream = stream
                        out.mux(packet)
        with part.open("rb") as file:
            os.fsync(file.fileno())
        part.replace(place)
    finally:
        part.unlink(missing_ok=True)


def _packets(segment: Any, source: Any, first: int, rate: Fraction) -> Iterator[Any]:
    """Give the packets of a segment at their times in the film."""
    start = first / rate / source.time_base
    for packet in segment.demux(source):
        if packet.dts is None:
            continue  # the end of the file
        packet.pts += round(start)
        packet.dts += round(start)
        yield packet


def read_film(place: str | os.PathLike[str]) -> Film:
    """Read from a film file what it was made from."""
    av = pyav()
    try:
        with av.open(os.fspath(place)) as container:
            text = container.metadata.get("comment") or container.metadata.get("COMMENT")
    except (OSError, ValueError) as error:
        raise InvalidInput(f"{str(place)!r:.200} cannot be read: {error!s:.200}") from None
    try:
        return Film.from_dict(json.loads(text or ""))
    except ValueError:
        raise InvalidInput(
            f"{str(place)!r:.200} carries no film; it was not made by Fraktal."
        ) from None
