"""What may be read: one file per view, its writer and its readers together.

tables      every table
page        cursors and pages
view        what a view is: one event, its rows, its position
piece       a piece of the log, as followers read it
changes     the rows that a batch of events changes, each written once
outage      whether an error means that the database is away
failpoints  places at which a test may kill the process
runner      followers of the log: catch up, follow, rebuild beside
workflows   schedules   batch_jobs    views, written from events
runs        run_rows run_cancelling  the ledger of a batch job, person by person; its rows; one run cancelled
people      person_rules    recipients, and what one may be
people_files  people_import a file of them: its rows; all of it or nothing
cohorts     cohort_graph    named sets of people; what each leads to, and means in SQL
conditions                  one condition about a person, as SQL
audience    audience_sql    sizing, fingerprint, enrolment; their statements
unknown_outcomes            runs that wait for a person to say what became of an effect
failed_runs                 the failed runs of a job, counted and frozen for a retry
unfinished_runs             the runs of a job without an outcome, counted for who resumes it
confirmations               what waits for a human: a view, written from events
keys                        API keys, without their secrets
history                     the log: what was done, what was refused, by whom
reads       Reads: all that a door receives
confirmed_people  who was confirmed for a schedule
reached_before  how many of an audience were reached before
"""
