"""Tables as frozen values: what stands in each, without any renderer."""
