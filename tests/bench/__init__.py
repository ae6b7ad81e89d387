"""The benchmark: the gateway's CPU, added latency, memory and start-up, beside the bare gRPC floor and its peers."""
