"""Who may connect, how many, and how fast: the rules alone, without a network."""
