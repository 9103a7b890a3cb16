"""When a batch workflow is to run.

events     what can happen to it
aggregate  Schedule: its state table and its guards
"""
