"""What asks the administration's port of a running gateway: a file for each noun, `command` connects and reports, `arguments` parses."""
