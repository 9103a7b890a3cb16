"""The pure core: facts, and the guards that allow them.

base        Principal, Meta, and the roots of events and aggregates
errors      DomainError and the whole catalogue of codes
address     the one form of an e-mail address
reach       whom a workflow may reach, whatever its conditions say
values      Condition, Audience, Variables, Acknowledgement: parsed once, then the type is the proof
address     the one form in which two e-mail addresses are the same or not
policy      Policy and the Limits that narrow it
recurrence  Recurrence: what a schedule repeats
templates   Liquid texts whose needs are known before they are rendered (liquid: in which bounds)
filters     how a trigger and a branch say whom they mean
shape       checks on plain data that every parser needs
steps       the step types, one file each
walk        people on their way through the steps
workflow    what is to happen, versioned
schedule    when it is to happen
batch_job   one fan-out of one workflow version over one frozen audience
refusal     a call that was refused
people      a change of people: an import, an opt-out, a suppression
"""
