"""The benchmark: CPU per unit of work, added latency, memory and start-up of the gateway, beside the bare gRPC floor and its peers."""
