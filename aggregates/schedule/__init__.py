"""When a batch workflow is to run.

events     what can happen to it
terms      what it repeats, with which variables, how it fires, and at which pace
firing     what it does with late occurrences, and with those that meet the one before
seen       which terms a person has confirmed, and who has changed them since
aggregate  Schedule: its state table and its guards
"""
