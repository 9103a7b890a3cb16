"""The way out: what a step asks for, carried to the world outside.

port      Deliveries: a sub-batch in, one outcome each, never an exception; what goes in and what comes out
retries   which failures are tried again at once, which later, which never
hosts     how much one process asks of a host, and which of them want to be left alone
outbound  the guard in front of every connection: which addresses may be reached at all
webhook   HTTP requests, signed
connections  kept for the next request to the same place
email     messages over SMTP
"""

from workers.delivery.port import Deliveries
from workers.delivery.retries import Outcome, Outgoing

__all__ = ["Deliveries", "Outcome", "Outgoing"]
