"""Real processes, real servers, faults at random instants, and a checker that shares no code with the product.

__main__   `python -m benchmarks.chaos`: seconds, seed, people
rounds     one round: set the stage, load, faults, heal, drain, gather, check
stage      the servers and the product's own processes, killed and started again
lives      a process of the product, from scratch or forked
receiver   the world outside: a process that keeps its own book in a file
relay      the same for mail: it takes messages and writes them into that book
client     HTTP with idempotency keys, asked again until an answer comes
load       what is asked of the product meanwhile, and what it has acknowledged
nemesis    the faults, by kind and seed
freezing   processes that stand still for a while and come back
drill      the failpoints, armed one after another until each has killed somebody
probe      a job over one person, again and again: how long until the product works again
neighbour  a small job in another project, again and again, and when what it needs was away on purpose
drain      after healing: wait for the end, or say what is stuck
evidence   what the checker sees: the book, the event table, answers of the API
checker    the verdict
waits      how long the neighbour's jobs took
table      the verdict, printed
"""
