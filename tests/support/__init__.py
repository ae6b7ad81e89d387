"""What integration tests stand on: real servers on loopback sockets."""
