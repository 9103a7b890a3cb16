"""What may be asked: frozen dataclasses, their handlers, and who may ask.

bus         authorize -> idempotency -> handle -> append; retries when a stream moved
grants      one table: command or read -> scopes
context     what a handler receives, as Protocols
confirm     the one acknowledgement guard, and the sizing that it rests on
workflow    create, edit, enable, disable, archive, restore
batch_job   size an audience, run a batch, cancel a job
schedule    attach, pause, resume, detach
people      people and cohorts
keys        API keys
"""
