"""Sources of rows: CSV, folder, Parquet, ZIP, tar shards."""
