"""The door for time and work: what happens without anybody asking.

broker      the bell: one message that says "look at this job"
reactions   the log -> bells, with a position of its own
fanout      a bell's work: lease chunks and process them until none is left
world       what a walk asks, answered by the database
shares      threads, shared among projects
enrolment   the audience resolved in one snapshot and frozen into chunks
milestones  progress, completion, the end of a cancel: one writer a job
stuck       whether nobody gets on with a job that this process cannot read
winding_up  the people of a cancelled job who have no outcome, skipped piece by piece
splitting   chunks that fail, split until the person is found
jobs        a job as a worker knows it
noted       what steps came to, counted from notes
telling     what a worker tells the operator: failed sends, and results for the metrics
lines       what the log says about jobs and schedules, as lines of the operator's log
ledger      set-based writes of runs, effects and chunk counters
leases      a chunk with effects outside, held by one worker
pace        how fast a job sends, and what its breaker has seen
policies    policies of projects, read again when they are a second old
rates       those that several jobs share: of the project, of a host, of the mail relay
later       bells that are rung when a turn is due
attempts    who is sent to next, recorded before anything leaves
caps        who has had as many messages as one person may get
recipients  where emails go, compared with what was confirmed
rooms       which people may be sent to now, by what their destinations take and at which rate
making      what is sent to one person, or what comes of it without sending
sending     effects outside: attempt recorded, sent, outcome recorded
stay        one thread beside one chunk that sends, and whom it tells
errands     sub-batches whose answers take long, with nobody beside them
outcomes    what came of effects, and when another try is made
bounces     addresses that a mail server says there are not
due         occurrences and approvals whose time has come, decided one by one
waking      parked runs whose time has come, turned into chunks
scheduler   the loop: what is due, parked runs to wake, the sweep for lost bells
tidemarks   how far the log was, remembered by the broker
skew        whether this clock is the database's
tally       what the scheduler has done, added up over all of them
delivery    webhook and email adapters behind one port, and the outbound guard
"""
