"""A cohort: that it was made, without a word of whom it means.

events     everything that can happen to it
aggregate  Cohort: its name and kind
"""
