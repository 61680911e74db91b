"""Networks that turn pictures or words into features: one file a family. They know no collection, no files of ours and no loss."""
