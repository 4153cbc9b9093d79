"""The client: addresses, answers, and the commands that use it."""
