"""Socklab on several machines, all of them this one: real nats-server, haproxy and `twistd socklab` processes."""
