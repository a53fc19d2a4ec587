"""Everything that knows weights, devices and dtypes."""
