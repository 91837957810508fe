"""From data files to training batches: lists, labels, images, augmentation, loaders and a built-in set."""
