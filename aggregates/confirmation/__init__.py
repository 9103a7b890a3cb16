"""What a guarded principal asked for and a human has to confirm.

events     what can happen to it
aggregate  Confirmation: its state table and its guards
"""
