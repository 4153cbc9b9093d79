"""The console's page: who may use it, what it shows, and what it does."""
