"""What a command does, for programs too: a session of models, the one engine over pictures, stages and outputs."""
