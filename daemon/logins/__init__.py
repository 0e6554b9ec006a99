"""A Tradovate login: one token and one socket, shared by all of its accounts."""
