"""What was run to make the bundled models: data, constants, and one command for each step."""
