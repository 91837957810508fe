"""The rows of the CSPNet paper's tables: what is printed, and the cfg that stands for it."""
