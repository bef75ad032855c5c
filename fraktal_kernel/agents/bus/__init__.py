"""The bus: messages between parts of the workbench, kept until somebody has handled them."""

from fraktal_kernel.agents.bus.bus import open_bus
from fraktal_kernel.agents.bus.message import Draft, Message
from fraktal_kernel.agents.bus.protocol import Bus, DeadLetter, GroupState, Subscription

__all__ = ["Bus", "DeadLetter", "Draft", "GroupState", "Message", "Subscription", "open_bus"]
