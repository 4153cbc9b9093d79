"""NATS with JetStream as the engine of rooms: a stream holds what is said, subjects carry who is where."""
