"""People on their way through the steps: pure, so that a worker and a simulation walk alike.

route  what everybody in a job shares
walk   one set of people through the steps, as far as it goes without the outside
entry  where they came to, and what they have set
world  what a walk asks about them
"""
