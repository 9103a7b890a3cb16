"""Recurrence: when a schedule repeats, as one RFC 5545 rule in local wall time.

value      Recurrence: what everybody else uses
grammar    which texts are a rule that we take, and every reason why one is not
inputs     the other fields: the first instant, the zone, the excluded dates
rule       a rule's text, read into its parts
days       which days of a calendar year a rule names; the only module that knows dateutil
walltimes  a rule expanded in wall time, without a zone
lines      a rule expanded into instants: along the wall's time, or along UTC
spacing    whether two occurrences may come too close
together   whether those of two recurrences do
"""

from aggregates.recurrence.lines import Occurrence
from aggregates.recurrence.value import Recurrence

__all__ = ["Occurrence", "Recurrence"]
