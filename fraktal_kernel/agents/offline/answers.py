"""The sentences in which the workbench answers, in English and Polish."""

from __future__ import annotations

from typing import Any

from fraktal_kernel.core.artifact import Artifact

_SENTENCES = {
    "jobs": ("{count} {state}: {told}.", "Zadania {state}: {count}. {told}."),
    "no_jobs": ("No {state}.", "Zadania {state}: 0."),
    "job": ("Job {told}.", "Zadanie {told}."),
    "no_log": ("Job {job} has written no log.", "Zadanie {job} nie ma logu."),
    "result": ("Job {told}: {files}.", "Zadanie {told}: {files}."),
    "no_files": ("no files", "brak plików"),
    "no_result": ("No job has made such a thing yet.", "Żadne zadanie jeszcze tego nie zrobiło."),
    "cancelled": ("Job {job} is being cancelled.", "Anuluję zadanie {job}."),
    "retried": ("Job {job} is queued again.", "Zadanie {job} jest znów w kolejce."),
    "answered": ("Job {job} was answered {choice!r}.", "Zadanie {job}: {choice!r}."),
    "capabilities": ("I can: {told}.", "Potrafię: {told}."),
    "choices": ("There are: {told}.", "Są: {told}."),
    "no_choices": ("No capability has choices for {name!r}.", "Nic nie ma wyboru dla {name!r}."),
    "capability": ("{title}: {text} It is {name} and takes: {told}.",
                   "{title}: {text} To {name}; parametry: {told}."),
    "healthy": ("Everything works.", "Wszystko działa."),
    "ill": ("Not all is well: {told}", "Nie wszystko działa: {told}"),
}  # fmt: skip
_STATES = {
    "queued": ("queued", "w kolejce"),
    "running": ("running", "w toku"),
    "waiting": ("waiting", "czeka"),
    "succeeded": ("succeeded", "udane"),
    "failed": ("failed", "nieudane"),
    "cancelled": ("cancelled", "anulowane"),
}


def say_answer(language: str, sentence: str, **values: Any) -> str:
    """Say one of the sentences.

    Examples
    --------
    >>> say_answer("en", "retried", job=3)
    'Job 3 is queued again.'
    """
    return _SENTENCES[sentence][language == "pl"].format(**values)


def state_word(language: str, state: str) -> str:
    """Name a job's state.

    Examples
    --------
    >>> state_word("en", "failed"), state_word("pl", "failed")
    ('failed', 'nieudane')
    """
    return _STATES[state][language == "pl"]


def jobs_word(language: str, state: str | None, count: int) -> str:
    """Name jobs in a state, or in any.

    Examples
    --------
    >>> jobs_word("en", "failed", 1), jobs_word("pl", None, 3)
    ('failed job', 'wszystkie')
    """
    if language == "pl":
        return state_word(language, state) if state else "wszystkie"
    noun = "job" if count == 1 else "jobs"
    return f"{state_word(language, state)} {noun}" if state else noun


def shape_of(artifact: Artifact) -> tuple[str, ...]:
    """Say what a file is to a person.

    Examples
    --------
    >>> shape_of(Artifact(name="p.png", size_bytes=1, sha256="", media_type="image/png"))
    ('picture',)
    """
    shapes = []
    if artifact.name.startswith("poster"):
        shapes.append("poster")
    elif artifact.media_type.startswith("image/"):
        shapes.append("picture")
    if artifact.media_type.startswith("video/"):
        shapes.append("film")
    if artifact.media_type.startswith("audio/"):
        shapes.append("sound")
    if artifact.name.endswith(".ipynb"):
        shapes.append("notebook")
    return tuple(shapes)
