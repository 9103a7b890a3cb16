"""An API key: who made it, what it may do, and everything that changed that. What lets one in never appears here.

events     everything that can happen to it
aggregate  Key: who may lift what narrows it
"""
