"""The cfg language: text with line numbers, typed options, data files."""
