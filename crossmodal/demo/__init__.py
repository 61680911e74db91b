"""The demo catalogue: things x colours x patterns, drawn and titled from a seed."""
