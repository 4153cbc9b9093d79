"""Rooms that several nodes share."""
