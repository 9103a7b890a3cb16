"""What may be asked: frozen dataclasses, their handlers, and who may ask.

bus         authorize -> idempotency -> handle -> append; retries when a stream moved
grants      one table: command or read -> scopes
context     what a handler receives, as Protocols; people_ports: those to people
confirm     the one acknowledgement guard, and the sizing that it rests on
sends       what a workflow may send, and how much of it one person gets
reach       whom a workflow may reach under a policy
outlook     what every sizing says: what is left, and what would become of the request
hints       warnings about an audience that names what no person has
binding     confirm tokens, and what each is bound to
repetition  the same batch asked for twice within minutes
standing    what an acknowledgement allows a schedule until further notice
budget      how many people a principal may reach in a day
workflow    create, edit, enable, disable, archive, restore
secret_terms  what a workflow's content may do with secrets
batch_job   size an audience, run a batch, pause, resume, cancel a job
retry       size the failed runs of a job, run a new job over them
runs        start a manual run, cancel a run
simulation  walk some people through a workflow without any effect
unknown     say what became of an effect whose outcome nobody knows
resume      let a paused job go on; size what is left of it
manual      manual runs under the guard: sized, held, refused
witness     what waits for a human, kept as a confirmation
confirmation  confirm or reject what an agent asked for
showing     what a human reads before they confirm
approval    approve or reject a held job, answer an approval step
schedule_answers  what is told of a schedule
schedule    attach, revise, pause, resume, detach
preview     when a schedule, or a recurrence, comes next
terms       what a schedule's fields come to: recurrence, firing, how far its approval reaches
sizing      what a sizing is for: a batch, or a schedule
crowding    how many active schedules a workflow may have, and how close
due         occurrences and approvals whose time has come; asked by the scheduler only
people      people and cohorts
consent     opt-outs, opt-ins, suppressed addresses
keys        API keys: make, change, revoke
key_terms   what a key is, and what its maker may make of it
policy      what the project narrows of the installation's policy
notes       why somebody did something
refusals    which refused calls are recorded, and what they were about
"""
