"""The page of a training: what it has kept of its iterations, its plots and pictures, and the file that is renewed."""
