"""Conversations in files: written while they happen, and what can be done with them afterwards."""
