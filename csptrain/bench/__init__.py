"""What csptrain's work costs in time and memory, beside a named baseline in the same run."""
