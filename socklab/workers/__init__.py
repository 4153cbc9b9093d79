"""Several processes that serve one config: a parent that opens the ports, and workers that serve on them."""
