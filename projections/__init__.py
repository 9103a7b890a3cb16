"""What may be read: one file per view, its writer and its readers together.

tables      every table
page        cursors and pages
waiting     how long a read waits for a view
view        what a view is: one event, its rows, its position
piece       a piece of the log, as followers read it
outside     values that events keep outside the log, fetched for a piece
changes     the rows that a batch of events changes, each written once
outage      whether an error means that the database is away
stored_json what JSON of any time is read as
patience    how long a statement may take, here and at the server
failpoints  places at which a test may kill the process
runner      followers of the log: catch up, follow
rebuilding  a view built again beside the live one, and exchanged row by row
passing_over                the one event at which a follower stands still, passed over
workflows   schedules   batch_jobs    views, written from events
runs        run_rows run_cancelling  the ledger of a batch job, person by person; its rows; one run cancelled
people      person_rules    recipients, and what one may be
properties                  which properties people have, as statistics of a bounded sample
people_files people_columns people_import  a file of them: rows (line_json: one of JSON); columns; all or nothing
consent                     opt-outs, opt-ins and suppressed addresses
cohorts     cohort_graph    named sets of people; what each leads to, and means in SQL
conditions                  one condition about a person, as SQL
audience    audience_sql    sizing, fingerprint, enrolment; their statements
statement_limits            how long a question to the database may take
exclusions  audience_masks  who is left out whatever the conditions say; people as a sizing shows them
unknown_outcomes            runs that wait for a person to say what became of an effect
confirmed_people            who was confirmed for a schedule
reached_before              how many people a workflow has reached before
failed_runs                 the failed runs of a job, counted and frozen for a retry
failures                    what failed in a job, by step, reason and host
results                     what steps, attempts and runs came to, added up for the metrics
unfinished_runs             the runs of a job without an outcome, counted for who resumes it
confirmations               what waits for a human: a view, written from events
keys  policy                API keys, without their secrets; who set the policy, and when
history                     the log: what was done, what was refused, by whom
person_facts                what of the log and of states of the past is only for who may read people
reads       Reads: all that a door receives
"""
