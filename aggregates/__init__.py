"""The pure core: facts, and the guards that allow them.

base        Principal, Meta, and the roots of events and aggregates
errors      DomainError and the whole catalogue of codes
values      Condition, Audience, Variables, Acknowledgement: parsed once, then the type is the proof
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
confirmation  what an agent asked for and a human has to confirm
approval    who may decide about what somebody asked for
refusal     a call that was refused
"""
