"""Training: schedule, optimizer, state, step and loop."""
