"""The demo: receivers that stand in for the world outside, and what fills a fresh installation.

receivers  an HTTP endpoint and a mail server, in process, that keep a book of what arrived
books      what must come out, told by the file alone, and each comparison
"""
