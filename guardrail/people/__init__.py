"""Who may not be depicted: the register of public figures and its name index."""

from guardrail.people.names import NameHit, NameIndex, load_name_index
from guardrail.people.register import Person, load_register

__all__ = ["NameHit", "NameIndex", "Person", "load_name_index", "load_register"]
