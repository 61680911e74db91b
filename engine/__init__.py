"""What `LostFoundApp` is made of: the trained model, its embeddings and indexes, searches, and changes of single items."""
