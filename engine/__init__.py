"""The machine room: composition and runtime.

settings  clock  ids     the only readers of environment, time and chance
secrets                  the installation's secret and the keys derived from it
store                    the event store, which knows the `eventsourcing` library
embedded                 PostgreSQL and Valkey as child processes
  identity, runtime_dir, leftovers, probes    as whom, where the sockets are, what was left, whether it answers
supervise  launch        children that are kept alive and never outlive us
errors                   StartupError
bootstrap                the one place where parts meet
http  cli  migrations    doors of HTTP and of the shell, the schema's history
"""
