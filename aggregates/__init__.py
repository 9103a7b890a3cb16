"""The pure core: facts, and the guards that allow them.

base        Principal, Meta, and the roots of events and aggregates
errors      DomainError, with the whole catalogue of codes
  codes, door_codes, problem_codes, kinds    those of commands and reads, of doors, of single problems; what a code is
marks       how stored JSON tells ids and instants from texts
outside     values that an event keeps outside the log, named there by a salted digest
address     the one form of an e-mail address
reasons     why a run ended as it did: each word and its meaning
reach       whom a workflow may reach, whatever its conditions say
values      Condition, Audience, Variables, Acknowledgement: parsed once, then the type is the proof
lineage     who counts as one when somebody approves
pace        how fast something is sent, and when a job stops by itself
policy      Policy and the Limits that narrow it
recurrence  Recurrence: what a schedule repeats
templates   Liquid texts whose needs are known before they are rendered
template_names  what a template names, and what is wrong with that
template_trial  what in a template fails for everybody
liquid      what a template may do (liquid_filters: with which filters; places: where its output goes)
numbers     decimals in templates, printed as they were written
allowance   what rendering may cost
secrets     what webhooks may use and nobody may read
filters     how a trigger and a branch say whom they mean
shape       checks on plain data that every parser needs
nearest     the name that was probably meant: synonyms, then the likest spelling
dates  patterns  what conditions may write: dates, regular expressions
operators   what each operator of a condition means
properties  statistics of people's properties, and what they say against an audience
steps       the step types, one file each
walk        people on their way through the steps
workflow    what is to happen, versioned
schedule    when it is to happen
batch_job   one fan-out of one workflow version over one frozen audience
key         who may ask, and who made it so
project     what a project narrows of the policy
cohort      a named set of people, without saying whom
confirmation  what an agent asked for and a human has to confirm
approval    who may decide about what somebody asked for
refusal     a call that was refused
people      a change of people: an import, an opt-out, a suppression
"""
