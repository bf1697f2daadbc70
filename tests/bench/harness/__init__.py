"""Runs the load generator against Rollcall and its peers, and makes tables of what it says."""
