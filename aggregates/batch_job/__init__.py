"""One fan-out of one workflow version over one frozen audience.

events     what can happen to it
aggregate  BatchJob: its state table and its guards
"""
