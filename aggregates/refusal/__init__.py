"""A call that was refused: who asked for what, and why it was not done.

events     the one thing that can happen to it
aggregate  Refusal: a stream of one event
"""
