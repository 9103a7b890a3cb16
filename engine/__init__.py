"""The machine room: composition and runtime.

settings  clock  ids     the only readers of environment, time and chance
  setting_values, setting_texts   what settings may be; settings as text
secrets                  the installation's secret and the keys derived from it
signing                  signing secrets of webhooks, one for each project
vault                    secrets of projects, which webhooks use
replay                   states of the past: at a position, between two, and whether all fold to the live ones
database                 the pool: under which settings, and how long a silent server is believed
store  unit  ports       the event store, which knows the `eventsourcing` library; one transaction; its ports
  people_port            the port to people
outside                  what the events of one append keep outside the log
guarding                 what the guard keeps: sizings, and how many people were asked for
keyring  rates           API keys, and how many requests each may make, of all processes together
refusals                 refused calls in the log
sessions                 sessions of the older MCP protocols, known to every process
embedded                 PostgreSQL and Valkey as child processes
  identity, runtime_dir, leftovers, probes    as whom, where the sockets are, what was left, whether it answers
supervise  launch        children that are kept alive and never outlive us
errors  health           StartupError; whether the servers answer
presence                 who is at work: each process says so itself
metrics                  what an operator watches, from the database
logs                     structured log lines
failpoints               what happens at places where a test kills, stops or fails a process
encoding  pooler         whether a database can hold every text; whether a session is one
migrate  migrations      the schema: up to date or not, and its history
sequences                whether the next number of a row is free
components  guidance     the catalogue of step types, for those who may read it; operators, and a guide to begin with
fence  releasing         whether this database may send, or is a copy; saying that it may
founding                 a project and its owner key, with what the log says of both
bootstrap                the one place where parts meet
http  cli  demo          doors of HTTP and of the shell; receivers that stand in for the world outside
"""
