"""Time-stamps (RFC 3161): an independent authority says when a picture was signed, so that it
still verifies when the signing certificate has expired.

c2pa-rs can ask an authority itself, but waits 30 seconds for a silent one and fails the whole
signature. Here the authority is asked by us, with a time-out and a circuit breaker, and what it
answers is put into the room that c2pa-rs leaves for it.
"""

from guardrail.provenance.timestamps.service import Mode, TimeStampService

__all__ = ["Mode", "TimeStampService"]
