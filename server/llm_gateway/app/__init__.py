"""The gateway put together: `gateway` is the composition root, `lifecycle` binds, drains and stops, `workers` are several processes on one port."""
