"""The door for time and work: what happens without anybody asking.

broker      the bell: one message that says "look at this job"
reactions   the log -> bells, with a position of its own
fanout      a bell's work: enrol, lease chunks, process, settle, wind up
walk        one set of people through the steps, as far as it goes without the outside
ledger      set-based writes of runs, effects and chunk counters
sending     effects outside: attempt recorded, sent, outcome recorded
scheduler   parked runs whose time has come, and the sweep for lost bells
delivery    webhook and email adapters behind one port, and the outbound guard
"""
