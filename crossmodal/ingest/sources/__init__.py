"""Where rows come from: a CSV, a folder, Parquet, a ZIP, tar shards."""
