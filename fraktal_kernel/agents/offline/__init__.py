"""The offline model: plain words, English or Polish, to a capability and its arguments."""

from fraktal_kernel.agents.offline.questions import Answer, answer
from fraktal_kernel.agents.offline.understanding import Understanding, understand

__all__ = ["Answer", "Understanding", "answer", "understand"]
