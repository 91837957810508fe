"""What is wrong with a cfg, for any of its readers, and the repair of what has one clear answer."""
