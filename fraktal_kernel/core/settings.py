"""Every setting of the workbench, where its value comes from, and nothing else.

A value is looked for in this order: an argument in code, a ``FRAKTAL_*`` environment
variable, ``fraktal.toml`` in the workspace root, the default.
"""

from __future__ import annotations

import os
import re
import tomllib
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from fraktal_kernel.errors import InvalidInput
from fraktal_kernel.registry import unknown_name

if TYPE_CHECKING:
    from sqlalchemy import URL

PREFIX = "FRAKTAL_"
#: How the URL of a message broker may begin.
BROKERS = ("amqp", "amqps", "nats", "redis", "rediss", "kafka")
#: A host as a browser names it: what it calls it in an address, and where no port can follow.
_SPOKEN = r"[\w.-]+|\[[\da-fA-F:.]+\]"
_ALONE = rf"{_SPOKEN}|[\da-fA-F]*:[\da-fA-F:.]*:[\da-fA-F:.]*"
_HOST = r"(?:\[[\da-fA-F:.]+\]|[^\s/:@,?\[\]]+)(?::\d{1,5})?"
_BROKER = rf"(?:{'|'.join(BROKERS)})://(?:[^\s@]*@)?{_HOST}(?:,{_HOST})*(?:[/?]\S*)?"
#: a language model: the offline one, or who serves it, its name, and where that is
MODEL = r"offline|(?P<server>ollama|openai):(?P<name>[^\s@]{1,200})(?:@(?P<url>https?://[^\s@]{1,400}))?"


def default_data() -> Path:
    """Find the workspace root that holds where nothing else is said.

    In a checkout it is the checkout's own ``data/``, so that a notebook, a terminal and a
    server agree whatever folder they were started from; elsewhere ``data/`` of this folder.
    """
    checkout = Path(__file__).resolve().parents[2]
    home = checkout if (checkout / "pyproject.toml").exists() else Path.cwd()
    return home / "data"


class Settings(BaseSettings):
    """The settings of one workbench; see ``docs/settings.md``."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, extra="forbid", frozen=True, allow_inf_nan=False
    )

    data: Path = Field(
        default_factory=default_data, description="Workspace root: database, artifacts, logs."
    )
    database_url: str = Field(
        "", description="SQLAlchemy URL; empty means SQLite in the workspace root."
    )
    store_url: str = Field(
        "", description="fsspec URL for artifacts; empty means a folder in the workspace root."
    )
    store_options: dict[str, Any] = Field(
        default_factory=dict, description="fsspec options of the store: endpoint_url, key, secret."
    )
    host: str = Field("127.0.0.1", description="Address that the web server binds to.")
    port: int = Field(8081, ge=0, le=65535, description="Port of the web server; 0 picks one.")
    lab_port: int = Field(8888, ge=0, le=65535, description="Port of JupyterLab; 0 picks one.")
    allowed_hosts: list[str] = Field(
        default_factory=list, description="Host names, besides loopback, that requests may name."
    )
    allowed_origins: list[str] = Field(
        default_factory=list, description="Origins, besides our own, that browsers may call from."
    )
    max_request_bytes: int = Field(
        8 * 1024**2, ge=1024, description="Largest request body that is read, in bytes."
    )
    token_rate_per_s: float = Field(
        100, gt=0, description="Requests a second that one API token may make in the long run."
    )
    token_burst: int = Field(
        500, ge=1, description="Requests that one API token may make at once before it has to wait."
    )
    session_days: float = Field(30, gt=0, description="Days until a browser has to sign in again.")
    workers: int = Field(
        default_factory=lambda: os.cpu_count() or 1,
        ge=1,
        le=256,
        description="Local worker processes.",
    )
    dask_scheduler: str = Field(
        "", description="Dask scheduler, such as tcp://10.0.0.5:8786; empty means local workers."
    )
    bus: str = Field(
        "",
        description="Broker of messages, such as amqp://HOST; empty means the database alone.",
    )
    hub_host: str = Field(
        "", description="Address of this machine that Dask workers can reach; empty finds one."
    )
    capability_modules: list[str] = Field(
        default_factory=list, description="Python modules with capabilities, besides plug-ins."
    )
    lease_s: float = Field(
        15, gt=0, description="Seconds without a heartbeat after which a job is taken back."
    )
    heartbeat_s: float = Field(3, gt=0, description="Seconds between two heartbeats of a job.")
    cancel_grace_s: float = Field(
        0.5, ge=0, description="Seconds that a cancelled job has to stop by itself."
    )
    retry_delay_s: float = Field(
        1, ge=0, description="Seconds before the first retry; doubles with each, up to a minute."
    )
    approval_hours: float = Field(
        72, gt=0, description="Hours that a question for a yes, and then the yes, is good for."
    )
    event_days: float = Field(
        30, gt=0, description="Days that events, spans, the audit log and agents' deeds are kept."
    )
    otlp_endpoint: str = Field(
        "",
        description="Trace server that is told every job's spans, such as http://HOST:4318.",
    )
    alert_queue_age_s: float = Field(
        300, gt=0, description="Seconds that a job may wait for a worker before that is an alert."
    )
    alert_failed_share: float = Field(
        0.5, ge=0, le=1, description="Share of an hour's jobs that may fail before it is an alert."
    )
    alert_disk_free_share: float = Field(
        0.05, ge=0, le=1, description="Free share of the workspace's disk below which is an alert."
    )
    alert_waits_s: float = Field(
        4 * 3600, gt=0, description="Seconds that a person or a plan may be waited for, likewise."
    )
    models: list[str] = Field(
        ["offline"],
        min_length=1,
        max_length=20,
        description="Language models of the chat, tried in order, such as ollama:qwen3.",
    )
    model_keys: dict[str, SecretStr] = Field(
        default_factory=dict,
        description="Keys of language models by server or model, such as openai; never logged.",
    )
    model_prices: dict[str, tuple[float, float]] = Field(
        default_factory=dict,
        description="Price of a million tokens by model: what goes in, and what comes out.",
    )
    model_first_token_s: float = Field(
        60, gt=0, description="Seconds in which a language model has to begin its answer."
    )
    model_timeout_s: float = Field(
        600, gt=0, description="Seconds in which a language model has to end its answer."
    )
    model_cache_days: float = Field(
        7, ge=0, description="Days that answers of language models are kept to give again; 0: none."
    )
    chat_max_requests: int = Field(
        12, ge=1, le=100, description="Times that one chat turn may ask a language model."
    )
    chat_max_calls: int = Field(
        24, ge=0, le=1000, description="Capabilities that one chat turn may call."
    )
    chat_max_tokens: int = Field(
        200_000, ge=1, description="Tokens that one chat turn may use before it has to end."
    )
    log_level: str = Field("info", description="Least severe level that is logged.")
    log_max_bytes: int = Field(
        10 * 1024**2, ge=1024, description="Size at which a log file is rotated, in bytes."
    )
    log_files: int = Field(5, ge=1, description="Rotated log files that are kept.")

    @field_validator("data")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().resolve()

    @field_validator("log_level")
    @classmethod
    def _known_level(cls, value: str) -> str:
        if value.lower() not in ("debug", "info", "warning", "error", "critical"):
            raise ValueError("expected debug, info, warning, error or critical")
        return value.lower()

    @field_validator("allowed_hosts")
    @classmethod
    def _bare_hosts(cls, value: list[str]) -> list[str]:
        for each in value:
            if not re.fullmatch(_ALONE, each, re.ASCII):
                raise ValueError(
                    f"{each!r} is no host as browsers name it; expected such as lab.example, "
                    "without https:// and port"
                )
        return value

    @field_validator("allowed_origins")
    @classmethod
    def _origins_of_browsers(cls, value: list[str]) -> list[str]:
        for each in value:
            if not re.fullmatch(rf"https?://({_SPOKEN})(:\d{{1,5}})?/?", each, re.ASCII):
                raise ValueError(
                    f"{each!r} is no origin as browsers name it; expected such as "
                    "https://lab.example or http://10.0.0.5:3000"
                )
        return value

    @field_validator("bus")
    @classmethod
    def _known_broker(cls, value: str) -> str:
        if value and not re.fullmatch(_BROKER, value):
            raise ValueError(f"expected {', '.join(f'{name}://HOST' for name in BROKERS)} or ''")
        return value

    @field_validator("otlp_endpoint")
    @classmethod
    def _web_address(cls, value: str) -> str:
        if value and not re.fullmatch(r"https?://[^\s/?#]+[^\s?#]{0,300}", value):
            raise ValueError("expected http://HOST:4318, https://HOST/PATH or ''")
        return value.rstrip("/")

    @field_validator("models")
    @classmethod
    def _known_models(cls, value: list[str]) -> list[str]:
        for each in value:
            if not re.fullmatch(MODEL, each):
                raise ValueError(
                    f"{each!r} is none of offline, ollama:NAME, openai:NAME and openai:NAME@URL"
                )
        if len(set(value)) < len(value):
            raise ValueError("expected each model once")
        return value

    @field_validator("model_prices")
    @classmethod
    def _prices_of_something(
        cls, value: dict[str, tuple[float, float]]
    ) -> dict[str, tuple[float, float]]:
        if any(price < 0 for pair in value.values() for price in pair):
            raise ValueError("expected prices from 0 on")
        return value

    @field_validator("heartbeat_s")
    @classmethod
    def _beats_within_the_lease(cls, value: float, others: ValidationInfo) -> float:
        lease_s = others.data.get("lease_s", value + 1)
        if value >= lease_s:
            raise ValueError(f"expected less than lease_s, which is {lease_s:g}")
        return value

    @property
    def database(self) -> str | URL:
        """The database URL that holds, default included."""
        if self.database_url:
            return self.database_url
        from sqlalchemy import URL

        # As text, all behind a question mark in a folder's name would be no part of the name.
        return URL.create("sqlite", database=str(self.data / "fraktal.db"))

    @property
    def store(self) -> str:
        """The store URL that holds, default included."""
        return self.store_url or str(self.data / "store")

    @property
    def file(self) -> Path:
        """The TOML file that is read where it exists."""
        return self.data / "fraktal.toml"

    @cached_property
    def sources(self) -> dict[str, str]:
        """For each setting, where its value came from, in words."""
        in_file, in_environment = _toml_keys(self.file), _environment()
        found = {}
        for name in type(self).model_fields:
            if name in self._arguments:
                found[name] = "argument"
            elif PREFIX + name.upper() in in_environment:
                found[name] = f"environment {PREFIX}{name.upper()}"
            elif name in in_file:
                found[name] = f"file {self.file}"
            else:
                found[name] = "default"
        return found

    _arguments: frozenset[str] = frozenset()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read arguments, then the environment, then the file of the workspace that these name."""
        data = init_settings().get("data") or env_settings().get("data") or default_data()
        file = Path(data).expanduser() / "fraktal.toml"
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, file)


def _environment() -> set[str]:
    return {name for name in map(str.upper, os.environ) if name.startswith(PREFIX)}


def _toml_keys(file: Path) -> set[str]:
    return set(tomllib.loads(file.read_text())) if file.exists() else set()


def _refuse_misspelled_variables(known: list[str]) -> None:
    """Refuse ``FRAKTAL_PROT``; what resembles no setting is somebody else's variable."""
    for name in _environment():
        setting = name.removeprefix(PREFIX).lower()
        if setting not in known and get_close_matches(setting, known, n=1, cutoff=0.75):
            raise unknown_name("setting", setting, known)


def load_settings(**arguments: Any) -> Settings:
    """Read the settings of this process; the arguments given win over all else.

    Raises
    ------
    InvalidInput
        a value of the wrong type or an unknown name; the text says which and where it stands
    """
    known = list(Settings.model_fields)
    for name in arguments:
        if name not in known:
            raise unknown_name("setting", name, known)
    _refuse_misspelled_variables(known)
    try:
        settings = Settings(**arguments)
        in_file = _toml_keys(settings.file)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        if first["type"] == "extra_forbidden":
            raise unknown_name("setting", name, known) from None
        message = first["msg"].removeprefix("Value error, ")
        raise InvalidInput(
            f"setting {name} ({PREFIX}{name.upper()}): given {first['input']!r}; {message}."
        ) from None
    except SettingsError as error:
        found = re.search(r'field "(\w+)"', str(error))
        name = PREFIX + found[1].upper() if found else "a variable"
        raise InvalidInput(
            f"{name}: given {os.environ.get(name, '')!r}, expected JSON such as "
            '["a", "b"] or {"key": "value"}.'
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidInput(f"the settings file fraktal.toml is not valid TOML: {error}.") from None
    except OSError as error:
        raise InvalidInput(
            f"the settings file {error.filename} cannot be read ({error.strerror}); let this user."
        ) from None
    if "data" in in_file:
        raise InvalidInput(
            f"{settings.file} sets data, but it is read because it lies there; remove that line "
            f"and set {PREFIX}DATA."
        )
    object.__setattr__(settings, "_arguments", frozenset(arguments))
    return settings
