"""Every statement of the map on real networks, as one table: `python -m minimal_gd.verify`."""
