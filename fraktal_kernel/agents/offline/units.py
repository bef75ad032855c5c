"""Units as people write them, and how many of one make another."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from fraktal_kernel.agents.offline.text import fold

#: dimension: unit in the table's first words, how many of the dimension's own it is
_TABLE = """
time | s sek sec secs second seconds sekunda sekundy sekund sekunde | 1
time | ms millisecond milliseconds milisekund milisekundy | 0.001
time | min mins minute minutes minuta minuty minut minute | 60
time | h hr hrs hour hours godzina godziny godzin godzine | 3600
time | kwadrans kwadransa | 900
time | day days dzien dni dnia dniowy | 86400
time | week weeks tydzien tygodnie tygodni tygodnia | 604800
pixel | px pixel pixels piksel piksele pikseli pikselach pixeli | 1
area | mp mpx megapixel megapixels megapiksel megapiksele megapikseli | 1000000
rate | fps frames/s frames/second klatek/s kl/s | 1
share | % percent procent procenta procentow pct | 0.01
power | w watt watts wat waty watow | 1
power | kw kilowatt kilowatts kilowat kilowaty kilowatow kwp | 1000
power | mw megawatt megawatts megawaty | 1000000
energy | wh | 1
energy | kwh | 1000
energy | mwh | 1000000
data | bytes byte bajt bajty bajtow | 1
data | kb kib | 1024
data | mb mib megabyte megabytes megabajt megabajtow | 1048576
data | gb gib gigabyte gigabytes gigabajt gigabajtow | 1073741824
data | tb tib terabyte terabytes | 1099511627776
bits | bit bits bitow bity bitowy | 1
length | mm millimetre millimetres millimeter millimeters milimetrow milimetry | 0.001
length | cm centimetre centimetres centimeter centimeters centymetrow centymetry | 0.01
length | m metre metres meter meters metr metry metrow | 1
length | km kilometre kilometres kilometer kilometers kilometrow kilometry | 1000
volume | l litre litres liter liters litr litry litrow | 1
volume | ml | 0.001
mass | g gram grams gramow | 0.001
mass | kg kilogram kilograms kilogramow kilo | 1
angle | deg ° degree degrees stopien stopnie stopni | 1
frequency | hz hertz herc hercow | 1
frequency | khz kilohertz | 1000
frequency | mhz megahertz | 1000000
frequency | ghz gigahertz | 1000000000
temperature | °c celsius c | 1
"""
#: Beginnings of adjectives that Polish makes of units, and the unit's word.
ADJECTIVES = {
    "sekundow": "s",
    "minutow": "min",
    "godzinn": "h",
    "dniow": "day",
    "tygodniow": "week",
}


@dataclass(frozen=True)
class Unit:
    """A unit: of what it is, and how much.

    Attributes
    ----------
    words : all ways to write it
    """

    dimension: str
    factor: float
    words: tuple[str, ...]

    def to(self, other: Unit | None) -> float | None:
        """Say how many of another unit one of this is, None where they measure other things."""
        if other is None:
            return None
        if {self.dimension, other.dimension} == {"angle", "temperature"}:
            return 1.0  # degrees are said of both
        return self.factor / other.factor if other.dimension == self.dimension else None


@cache
def units() -> dict[str, Unit]:
    """Give every unit by every way to write it."""
    found: dict[str, Unit] = {}
    for line in filter(None, map(str.strip, _TABLE.splitlines())):
        dimension, words, factor = (part.strip() for part in line.split("|"))
        unit = Unit(dimension, float(factor), tuple(words.split()))
        found |= dict.fromkeys(unit.words, unit)
    return found


def unit_of(text: str) -> Unit | None:
    """Find the unit that a text names.

    Examples
    --------
    >>> unit_of("minutes").to(unit_of("s"))
    60.0
    """
    return units().get(fold(text.strip()))
