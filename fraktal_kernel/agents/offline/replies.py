"""What the offline model says, in English and Polish."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fraktal_kernel.agents.offline.slots import Slot

_SENTENCES = {
    "call": ("I shall do this: {title}{what}.", "Robię: {title}{what}."),
    "unused": ("I did not understand: {values}.", "Nie rozumiem: {values}."),
    "with": (" with {values}", " ({values})"),
    "file": ("Which file should I use?", "Którego pliku mam użyć?"),
    "folder": ("Which folder should I use?", "Którego folderu mam użyć?"),
    "job": ("Which job? Say its number.", "Które zadanie? Podaj jego numer."),
    "choice": ("Which {name}: {choices}?", "Wybierz {name}: {choices}."),
    "number": ("What should {name} be? Say a number{unit}.",
               "Ile ma wynosić {name}? Podaj liczbę{unit}."),
    "name": ("What should it be called?", "Jak ma się nazywać?"),
    "text": ("What should the text be?", "Jaki ma być tekst?"),
    "value": ("What should {name} be?", "Jakie ma być: {name}?"),
    "fault": ("{name}: given {given}, expected {expected}.",
              "{name}: podano {given}, oczekiwano: {expected}."),
    "which": ("Do you mean: {choices}?", "Co masz na myśli: {choices}?"),
    "cannot": ("I cannot do that. What I can do: {can}.",
               "Tego nie potrafię. Oto, co potrafię: {can}."),
    "nothing": ("You have said nothing. Say what I should do, such as: {can}.",
                "Nic nie powiedziałeś. Powiedz, co mam zrobić, na przykład: {can}."),
    "long": ("That is {count:,} characters; say it in {most:,} or fewer.",
             "To {count} znaków; powiedz to w najwyżej {most}."),
    "not_done": ("All right, I do nothing.", "Dobrze, nic nie robię."),
    "hello": ("Hello! Tell me what to do, such as: {can}.",
              "Dzień dobry! Powiedz, co mam zrobić, na przykład: {can}."),
    "thanks": ("You are welcome.", "Proszę bardzo."),
    "help": ("Say in your own words what to do. I can: {can}. Ask which palettes there are, what "
             "is running, or how to do one of these.",
             "Powiedz swoimi słowami, co zrobić. Potrafię: {can}. Możesz też zapytać, jakie są "
             "palety, co działa albo jak coś zrobić."),
    "one": ("One thing at a time: {one}, or {other}?", "Po kolei: {one} czy {other}?"),
    "look": ("Let me look.", "Sprawdzam."),
}  # fmt: skip


def say(language: str, sentence: str, **values: Any) -> str:
    """Say one of the sentences.

    Examples
    --------
    >>> say("pl", "job")
    'Które zadanie? Podaj jego numer.'
    """
    return _SENTENCES[sentence][language == "pl"].format(**values)


def shortened(choices: Sequence[Any], most: int = 12) -> str:
    """List choices, not too many."""
    told = ", ".join(str(choice) for choice in choices[:most])
    return told + (", ..." if len(choices) > most else "")


def asking_for(slot: Slot, language: str) -> str:
    """Ask for the value of a slot."""
    name = slot.title.lower() if slot.title.istitle() or slot.title[1:].islower() else slot.title
    if "#job" in slot.main:
        return say(language, "job")
    if slot.choices and not slot.is_path:
        values = [choice.value for choice in slot.choices]
        return say(language, "choice", name=name, choices=shortened(values))
    if slot.is_path:
        folder = "#folder" in slot.main and "#file" not in slot.main
        return say(language, "folder" if folder else "file")
    if slot.takes_number:
        unit = f" ({slot.schema['unit']})" if isinstance(slot.schema.get("unit"), str) else ""
        return say(language, "number", name=name, unit=unit)
    if slot.name.rpartition(".")[2] == "name":
        return say(language, "name")
    if "#text" in slot.main:
        return say(language, "text")
    told = str(slot.schema.get("description", "")).rstrip(".")
    return say(language, "value", name=name) + (f" ({told}.)" if told else "")
