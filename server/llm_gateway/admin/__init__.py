"""The administration: llmgateway.admin.v1 on a port of its own, never on the event loop that serves calls. Imported only where it is switched on."""
