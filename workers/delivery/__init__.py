"""The way out: what a step asks for, carried to the world outside.

port      Deliveries: a sub-batch in, one outcome each, never an exception
flight    a sub-batch that is under way: its outcomes, as they come
permit    whether a call may still begin
places    how much may be under way with each destination, found by looking
retries   what goes in and what comes out
outbound  the guard in front of every connection: which addresses may be reached at all
webhook   HTTP requests, signed
connections  kept for the next request to the same place
email     messages, and what their server says of them
relay     the mail server, and the conversations with it
"""

from workers.delivery.flight import Flight
from workers.delivery.port import Deliveries, place_for
from workers.delivery.retries import Outcome, Outgoing

__all__ = ["Deliveries", "Flight", "Outcome", "Outgoing", "place_for"]
