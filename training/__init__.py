"""How the embedded model was made: drawn world, training, evaluation, export. Run by hand."""
