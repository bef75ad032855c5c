"""Scenes in the files of other deep-zoom programs: read, and written where that makes sense."""

from fraktal_kernel.fractals.exchange.fraktaler import write_fraktaler
from fraktal_kernel.fractals.exchange.kalles import write_kfr
from fraktal_kernel.fractals.exchange.location import SUFFIXES, location_of, read_location
from fraktal_kernel.fractals.exchange.tables import toml_of

__all__ = ["SUFFIXES", "location_of", "read_location", "toml_of", "write_fraktaler", "write_kfr"]
