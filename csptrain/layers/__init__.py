"""One file per layer family; `contents` lists them."""
