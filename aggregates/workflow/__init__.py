"""What is to happen, versioned.

definition  Definition: content that is valid as a whole
triggers    whom or what a workflow starts for
variables   the knobs of a workflow, and how values are laid over their defaults
steps       steps and edges: each on its own
graph       steps and edges together: dead ends, doubles, endless loops
silence     approval steps that nobody has to answer
trials      templates that fail for everybody
sending     to whom emails go, and how many messages one person can get
events      what can happen to a workflow
aggregate   the guards in front of it
"""
