"""Models by name, trained on pictures with captions, measured and drawn: from a preset and a catalogue to a run folder."""
