"""Learning: losses, the loop, checkpoints. The loop knows no model, the losses know no data."""
