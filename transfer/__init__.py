"""The collection taken along in files, and vectors brought in from elsewhere."""
