"""Request to pixels: the diffusion backends.

:mod:`guardrail.backends.diffusers` is the only module that imports torch to generate; this
package itself is light.
"""

from guardrail.backends.downloads import Download, OnDownload
from guardrail.backends.interface import Backend, Defaults, Progress
from guardrail.backends.load import load_backend

__all__ = ["Backend", "Defaults", "Download", "OnDownload", "Progress", "load_backend"]
