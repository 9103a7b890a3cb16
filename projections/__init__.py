"""What may be read: one file per view, its writer and its readers together.

tables      every table
page        cursors and pages
view        what a view is: one event, its rows, its position
runner      followers of the log: catch up, follow, rebuild beside
workflows   schedules   batch_jobs    views, written from events
runs        the ledger of a batch job, person by person
people      cohorts     people_import people and sets of them
conditions  audience    conditions to SQL; sizing, fingerprint, enrolment
reads       Reads: all that a door receives
"""
