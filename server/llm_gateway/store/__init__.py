"""What is set at run time, kept: providers, routes, sealed keys, and who changed what. For the administration alone; no call waits for it."""
