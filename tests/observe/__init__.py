"""Metrics, records, and what reads them."""
