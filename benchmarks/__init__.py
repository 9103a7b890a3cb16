"""Speed, measured beside the raw limit of the same machine in the same run.

limits   what PostgreSQL can write: the raw limit
stack    a whole product in a temporary directory: servers, workers, people
chaos    real processes and servers, broken at random instants, and a checker
fanout   persons per second from the run-batch call to `completed`
"""
