"""Long work on a live collection (indexing, training, changing the model, measuring), and `LiveApp`, which every door holds."""
