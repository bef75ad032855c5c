"""Capabilities of domains to come, as their authors might write them: no rule knows of them."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field

from fraktal_kernel.core.capability import Capability, Needs, Run


class TrainParams(BaseModel):
    """What to learn, and from what."""

    path: Path = Field(title="Data", description="Table to learn from, .csv or .parquet.")
    target: str | None = Field(None, description="Column to predict; the last one if empty.")
    kind: Literal["classification", "regression"] = Field(
        "classification", description="Whether a class or a number is predicted."
    )
    epochs: int = Field(20, ge=1, le=100_000, description="Passes over the data.")
    learning_rate: float = Field(1e-3, gt=0, le=1)
    gpu: bool = Field(False, description="Train on the graphics card.")


def train(params: TrainParams, run: Run) -> None:
    """Train a neural network on a table and keep the one that predicts best."""


class DeployParams(BaseModel):
    """Which network, and where."""

    model: str = Field(description="Name or file of a trained network.")
    port: int = Field(8080, ge=1024, le=65535)
    replicas: int = Field(1, ge=1, le=64, description="How many processes serve it.")


def deploy(params: DeployParams, run: Run) -> None:
    """Serve a trained network over HTTP, so that programs can ask it."""


class EnvironmentParams(BaseModel):
    """What the environment is called, and what is in it."""

    name: str = Field(max_length=64)
    packages: list[str] = Field(default_factory=list, description="Packages to install.")
    python: Literal["3.11", "3.12", "3.13"] = Field("3.12", title="Python version")


def create_environment(params: EnvironmentParams, run: Run) -> None:
    """Create a Python environment of its own with packages in it."""


class AnalyseParams(BaseModel):
    """Which event log, and how it is read."""

    log: Path = Field(title="Event log", description="File with events, .xes or .csv.")
    method: Literal["alpha", "heuristic", "inductive"] = Field(
        "inductive", description="How the model is discovered."
    )
    threshold: float = Field(0.0, ge=0, le=1, description="Rarer paths are left out.")


def analyse(params: AnalyseParams, run: Run) -> None:
    """Discover a process model from an event log and find its bottlenecks."""


class SayParams(BaseModel):
    """What to say, and how."""

    text: str = Field(max_length=10_000)
    voice: Literal["anna", "brian", "zofia"] | None = None
    speed: float = Field(1.0, ge=0.25, le=4)


def say(params: SayParams, run: Run) -> None:
    """Say a text aloud and keep the sound."""


class ForecastParams(BaseModel):
    """For which plant and how long."""

    days: int = Field(1, ge=1, le=16, description="How many days are forecast.")
    start: date | None = Field(None, description="First day; today if empty.")
    peak_kw: float = Field(1.0, gt=0, title="Peak power", json_schema_extra={"unit": "kW"})


def forecast(params: ForecastParams, run: Run) -> None:
    """Forecast how much solar power a plant will give."""


DOMAINS = {
    one.name: one
    for one in (
        Capability("network.train", "Train a network", train, TrainParams, Needs(cores=2)),
        Capability("network.deploy", "Deploy a network", deploy, DeployParams),
        Capability(
            "environment.create", "Create an environment", create_environment, EnvironmentParams
        ),
        Capability("process.analyse", "Analyse a process", analyse, AnalyseParams),
        Capability("speech.say", "Say a text", say, SayParams),
        Capability("power.forecast", "Forecast solar power", forecast, ForecastParams),
    )
}
