"""What an agent tells of its machine: once what it is, and each second how it fares."""

from __future__ import annotations

import platform
import socket
from typing import Any

import psutil

from fraktal_kernel.agents.line import Beat, Card, Machine


class Cards:
    """The NVIDIA graphics cards of this machine; none where there is no driver or no package."""

    def __init__(self) -> None:
        self._handles: list[Any] = []
        try:
            import pynvml

            self._nvml = pynvml
            pynvml.nvmlInit()
            count = pynvml.nvmlDeviceGetCount()
            self._handles = [pynvml.nvmlDeviceGetHandleByIndex(number) for number in range(count)]
        except ModuleNotFoundError:
            return
        except self._nvml.NVMLError:
            return

    def facts(self) -> list[Card]:
        """Say what they are."""
        found = []
        for handle in self._handles:
            name = self._nvml.nvmlDeviceGetName(handle)
            memory = self._nvml.nvmlDeviceGetMemoryInfo(handle)
            name = name.decode() if isinstance(name, bytes) else str(name)
            found.append(Card(name=name[:200], memory_bytes=int(memory.total)))
        return found

    def share(self) -> float | None:
        """Say how busy the busiest is, from 0 to 1; None where none tells."""
        try:
            rates = [self._nvml.nvmlDeviceGetUtilizationRates(each).gpu for each in self._handles]
        except self._nvml.NVMLError:  # a part of a card (MIG) does not count for itself
            return None
        return max(rates) / 100 if rates else None


def describe(cards: Cards) -> Machine:
    """Say what this machine is."""
    return Machine(
        host=socket.gethostname()[:200],
        system=platform.platform()[:200],
        python=platform.python_version(),
        cores=psutil.cpu_count() or 1,
        memory_bytes=int(psutil.virtual_memory().total),
        cards=cards.facts(),
    )


def measure(cards: Cards, stopped: list[int]) -> Beat:
    """Say how this machine fares: the processor's share is that since the last call.

    Parameters
    ----------
    stopped : numbers of the workers that the system holds still
    """
    return Beat(
        cpu_share=min(psutil.cpu_percent(None) / 100, 1.0),
        memory_bytes=int(psutil.virtual_memory().used),
        gpu_share=cards.share(),
        stopped=stopped,
    )
