"""Pictures that do not end: videos and cameras, what is written of them, and who may watch."""
