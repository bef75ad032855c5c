"""Which language model is meant: what ``ollama:qwen3`` or ``openai:NAME@URL`` stands for."""

from __future__ import annotations

import ipaddress
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from fraktal_kernel.core.settings import MODEL
from fraktal_kernel.errors import InvalidInput

OFFLINE = "offline"
#: where each kind of server is found when nothing else is said, and the variables that say it
PLACES = {
    "ollama": ("http://127.0.0.1:11434/v1", "OLLAMA_BASE_URL", "OLLAMA_API_KEY"),
    "openai": ("https://api.openai.com/v1", "OPENAI_BASE_URL", "OPENAI_API_KEY"),
}


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """One language model.

    Parameters
    ----------
    spec : as the settings name it
    name : what its server calls it
    url : where that server is, empty for the offline model
    key : what the server wants to see, empty where it wants nothing
    timeout_s : in which it has to end its answer, None for what holds for all
    """

    spec: str
    name: str = ""
    url: str = ""
    key: str = ""
    timeout_s: float | None = None

    @property
    def offline(self) -> bool:
        """Whether it is the one that needs no server."""
        return not self.url

    @property
    def local(self) -> bool:
        """Whether its server is on this computer, where a connection takes no time."""
        host = urlsplit(self.url).hostname or ""
        try:
            return ipaddress.ip_address(host).is_loopback
        except ValueError:
            return host == "localhost"

    @property
    def lacks_key(self) -> bool:
        """Whether its server is a public one, that answers nobody without a key."""
        return self.url == PLACES["openai"][0] and not self.key

    def __repr__(self) -> str:
        return f"ModelSpec({self.spec!r})"  # never the key


def read_spec(spec: str, keys: Mapping[str, str], environment: Mapping[str, str]) -> ModelSpec:
    """Find out what a name in the settings stands for.

    The key of a kind of server goes to that server's own address only: an address that the
    settings name gets the key that the settings hold for just this model, or none.

    Examples
    --------
    >>> read_spec("ollama:qwen3", {}, {}).url
    'http://127.0.0.1:11434/v1'
    >>> read_spec("openai:tiny@http://10.0.0.5:8000/v1", {"openai": "secret"}, {}).key
    ''
    """
    found = re.fullmatch(MODEL, spec)
    if found is None:
        raise InvalidInput(
            f"model: given {spec[:80]!r}, expected offline, ollama:NAME, openai:NAME or "
            "openai:NAME@URL."
        )
    if found["server"] is None:
        return ModelSpec(spec)
    place, place_variable, key_variable = PLACES[found["server"]]
    key = keys.get(spec, "")
    if found["url"] is None:
        key = key or keys.get(found["server"], "") or environment.get(key_variable, "")
    url = found["url"] or environment.get(place_variable) or place
    return ModelSpec(spec, found["name"], url.rstrip("/"), key)


def price(
    prices: Mapping[str, Sequence[float]], model: str, tokens_in: int, tokens_out: int
) -> float | None:
    """Say what an answer cost, in the currency of the price list; None where that has no price.

    Parameters
    ----------
    prices : of a million tokens by model, what goes in and what comes out

    Examples
    --------
    >>> price({"openai:a": (1.0, 10.0)}, "openai:a", 500_000, 250_000)
    3.0
    """
    if model == OFFLINE:
        return 0.0
    if model not in prices:
        return None
    inward, outward = prices[model]
    cost = (tokens_in * inward + tokens_out * outward) / 1e6
    return cost if math.isfinite(cost) else None
