"""From a folder of labelled pictures to all that a training needs, without touching the folder."""
