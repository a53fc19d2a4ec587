"""Fine-tunes models on a catalogue of one's own: label sets of a bundle, and readers through low-rank adapters."""
