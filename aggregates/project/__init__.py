"""A project: that it was made, and what it narrows of the installation's policy since when.

events     everything that can happen to it
aggregate  Project: what its policy was at any time
"""
