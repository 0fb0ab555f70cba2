"""The digits as a file; `minimal_gd.data.digits` reads it."""
