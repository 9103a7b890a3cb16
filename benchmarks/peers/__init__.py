"""The same work done by others: N persons, one durable step each that writes one delivery row with its own commit.

work          what the step does, and where the servers are
dramatiq_app  a message for each person
celery_app    chunks of 100, acknowledged late
dbos_app      a workflow with one step for each person, enqueued
"""
