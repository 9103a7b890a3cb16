"""One fan-out of one workflow version over one frozen audience.

events     what can happen to it
facts      what its events add up to
standing   how it can stand, and where its people can be
aggregate  BatchJob: its state table and its guards
"""
