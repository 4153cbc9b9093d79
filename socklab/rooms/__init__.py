"""Who is in which room, and what was said there."""
