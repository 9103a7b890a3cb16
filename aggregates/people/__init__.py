"""Changes of people, as facts without personal data: who told it, from where, how many.

events     imports, opt-outs and opt-ins, suppressions
aggregate  PeopleChange: a stream of one event for each change
"""
