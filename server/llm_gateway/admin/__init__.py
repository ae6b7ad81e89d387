"""The administration: llmgateway.admin.v1 on a port of its own, beside the calls and never on their event loop. Imported where it is switched on."""
