"""Request to pixels: the diffusion backends.

:mod:`guardrail.backends.diffusers` is the only module that imports torch to generate; this
package itself is light.
"""

from guardrail.backends.interface import Backend, Defaults, Progress
from guardrail.backends.load import load_backend

__all__ = ["Backend", "Defaults", "Progress", "load_backend"]
