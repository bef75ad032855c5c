"""Fields on disk: npz and zarr hold them exactly, EXR as other programs for pictures read them.

What the fields were computed from travels along as JSON, so that colouring can begin anew years
later without computing. Nothing that is read is executed, and sizes are looked at before memory
is taken.
"""

from __future__ import annotations

import io
import json
import os
import secrets
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fraktal_kernel.errors import InvalidInput, MissingExtra
from fraktal_kernel.fractals.fields import KINDS

FORMATS = (".npz", ".exr", ".zarr")
MAX_VALUES = 2**31
_FACTS = "fraktal"
_TILE = 1024


def write_fields(
    target: str | os.PathLike[str],
    fields: Mapping[str, NDArray[Any]],
    facts: Mapping[str, Any] | None = None,
) -> None:
    """Write fields [h, w] and the facts about them to a file or folder.

    Parameters
    ----------
    target : path or ``file://`` URL that ends in .npz, .exr or .zarr; for .zarr any fsspec URL
    fields : arrays by name
    facts : what JSON can hold, such as formula and view

    EXR holds float32 and uint32 only: complex fields become two channels, whole numbers a high
    and a low half, and float64 is rounded. A file appears whole or not at all.
    """
    _check(fields)
    place, kind = _format_of(target)
    text = json.dumps(dict(facts or {}))
    if kind == ".zarr":
        _write_zarr(place, fields, text)
        return
    path = Path(place)
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part{kind}")
    try:
        if kind == ".npz":
            with part.open("wb") as file:
                np.savez_compressed(file, allow_pickle=False, **{_FACTS: text}, **fields)
        else:
            _write_exr(part, fields, text)
        part.replace(path)
    except (OSError, RuntimeError) as error:  # the latter from OpenEXR
        raise InvalidInput(f"{str(path)!r:.200} cannot be written: {error!s:.200}") from None
    finally:
        part.unlink(missing_ok=True)


def read_fields(
    source: str | os.PathLike[str],
) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """Read what `write_fields` wrote: arrays by name, and the facts."""
    place, kind = _format_of(source)
    reader = {".npz": _read_npz, ".exr": _read_exr, ".zarr": _read_zarr}[kind]
    if kind != ".zarr" and not Path(place).is_file():
        raise InvalidInput(f"{place!r:.200} is no file; give the path of saved fields.")
    try:
        fields, text = reader(place)
        facts = json.loads(text)
        if not isinstance(facts, dict):
            raise ValueError("its facts are no object")
    except (InvalidInput, MissingExtra):
        raise
    except Exception as error:  # whatever a library says of a broken file, it is the file's fault
        raise InvalidInput(
            f"{place!r:.200} holds no fields that can be read; it may be damaged or made by "
            f"another program ({type(error).__name__}: {error!s:.120})."
        ) from None
    _check(fields)
    return fields, facts


def local(place: str) -> str:
    """Give the path that a ``file://`` URL stands for; what is something else stays as it is.

    Examples
    --------
    >>> local("file:///srv/fields.zarr"), local("s3://bucket/fields.zarr")
    ('/srv/fields.zarr', 's3://bucket/fields.zarr')
    """
    return place.removeprefix("file://")


def _format_of(place: str | os.PathLike[str]) -> tuple[str, str]:
    text = local(os.fspath(place))
    for kind in FORMATS:
        if text.rstrip("/").lower().endswith(kind):
            if kind != ".zarr" and "://" in text:
                raise InvalidInput(
                    f"{text!r:.200} is a URL, which {kind} files have none of; expected a path, or "
                    "a URL that ends in .zarr."
                )
            return text, kind
    raise InvalidInput(f"{text!r:.200} has no known ending; expected {', '.join(FORMATS)}.")


def _check(fields: Mapping[str, NDArray[Any]]) -> None:
    """Refuse what are no fields of one picture."""
    shapes = {array.shape for array in fields.values()}
    if not fields or len(shapes) != 1 or len(next(iter(shapes))) != 2:
        raise InvalidInput(f"fields have the shapes {shapes!s:.100}; expected one [h, w] for all.")
    for name, array in fields.items():
        if name not in KINDS or array.dtype != KINDS[name].dtype:
            raise InvalidInput(f"{name!r:.60} of type {array.dtype} is no field of Fraktal.")


def _write_exr(path: Path, fields: Mapping[str, NDArray[Any]], text: str) -> None:
    OpenEXR = _openexr()
    channels: dict[str, NDArray[Any]] = {}
    for name, array in fields.items():
        if array.dtype == np.int64:
            # Flipping the sign bit keeps the order of the numbers in unsigned halves.
            whole = array.astype(np.uint64) ^ np.uint64(1 << 63)
            channels[f"{name}.high"] = (whole >> np.uint64(32)).astype(np.uint32)
            channels[f"{name}.low"] = whole.astype(np.uint32)
        elif array.dtype == np.complex128:
            channels[f"{name}.re"] = _single(array.real)
            channels[f"{name}.im"] = _single(array.imag)
        else:
            channels[name] = _single(array)
    header = {
        "compression": OpenEXR.ZIP_COMPRESSION,
        "type": OpenEXR.scanlineimage,
        _FACTS: text,
    }
    with OpenEXR.File(header, channels) as file:
        file.write(str(path))


def _single(array: NDArray[Any]) -> NDArray[np.float32]:
    """Round to single precision; what is beyond, such as a last z of ``exp``, is infinite."""
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(array, np.float32)


def _read_exr(place: str) -> tuple[dict[str, NDArray[Any]], str]:
    OpenEXR = _openexr()
    with OpenEXR.File(place, separate_channels=True) as file:
        text = str(file.header().get(_FACTS, "{}"))  # only while the file is open
        channels = {name: channel.pixels for name, channel in file.channels().items()}
    fields: dict[str, NDArray[Any]] = {}
    for name, kind in KINDS.items():
        if kind.dtype == "int64" and f"{name}.low" in channels:
            high = channels[f"{name}.high"].astype(np.uint64) << np.uint64(32)
            whole = (high | channels[f"{name}.low"].astype(np.uint64)) ^ np.uint64(1 << 63)
            fields[name] = whole.astype(np.int64)
        elif kind.dtype == "complex128" and f"{name}.re" in channels:
            both = np.empty(channels[f"{name}.re"].shape, np.complex128)
            both.real, both.imag = channels[f"{name}.re"], channels[f"{name}.im"]
            fields[name] = both
        elif name in channels:
            fields[name] = channels[name].astype(np.float64)
    return fields, text


def _openexr() -> Any:
    try:
        import OpenEXR
    except ImportError:
        raise MissingExtra("EXR files need OpenEXR: pip install 'fraktal[pictures]'") from None
    return OpenEXR


def _read_npz(place: str) -> tuple[dict[str, NDArray[Any]], str]:
    """Read an npz; the headers of its arrays are looked at before their memory is taken."""
    fields: dict[str, NDArray[Any]] = {}
    text = "{}"
    with zipfile.ZipFile(place) as archive:
        for info in archive.infolist():
            name = info.filename.removesuffix(".npy")
            if name not in KINDS and name != _FACTS:
                raise InvalidInput(f"{name!r:.60} in {place!r:.200} is no field of Fraktal.")
            with archive.open(info) as file:
                version = np.lib.format.read_magic(file)
                read = np.lib.format.read_array_header_1_0
                if version != (1, 0):
                    read = np.lib.format.read_array_header_2_0
                shape, _, dtype = read(file)
                if int(np.prod(shape, dtype=object)) > MAX_VALUES or dtype.hasobject:
                    raise ValueError(f"its array {name} of {dtype} is {shape} large")
            if name == _FACTS and info.file_size > 1_000_000:
                raise ValueError("its facts are longer than a million bytes")
            array = np.load(io.BytesIO(archive.read(info)), allow_pickle=False)
            if name == _FACTS:
                text = str(array)
            else:
                fields[name] = array
    return fields, text


def _zarr() -> Any:
    try:
        import zarr
    except ImportError:
        raise MissingExtra("zarr folders need zarr: pip install 'fraktal[pictures]'") from None
    return zarr


def _write_zarr(place: str, fields: Mapping[str, NDArray[Any]], text: str) -> None:
    zarr = _zarr()
    try:
        group = zarr.open_group(place, mode="w", attributes={_FACTS: text})
        for name, array in fields.items():
            chunks = tuple(min(size, _TILE) for size in array.shape)
            stored = group.create_array(
                name, shape=array.shape, dtype=array.dtype, chunks=chunks, fill_value=0
            )
            stored[...] = array
    except MissingExtra:
        raise
    except Exception as error:  # every kind of place has errors of its own
        raise InvalidInput(f"{place!r:.200} cannot be written: {error!s:.200}") from None


def _read_zarr(place: str) -> tuple[dict[str, NDArray[Any]], str]:
    group = _zarr().open_group(place, mode="r")
    fields = {}
    for name, stored in group.arrays():
        if name not in KINDS or int(np.prod(stored.shape, dtype=object)) > MAX_VALUES:
            raise ValueError(f"its array {name!r:.60} is {stored.shape} large")
        fields[name] = stored[...]
    return fields, str(group.attrs.get(_FACTS, "{}"))
