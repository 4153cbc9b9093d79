"""socklab measured beside other servers: `make bench`. docs/benchmarks.md tells how, and what came out."""
