"""Numbers from published trials, as data with their source."""

from outcomes.published.reconstruction import possible_counts
from outcomes.published.tables import list_published, published_table
from outcomes.published.trials import load_published, write_published

__all__ = ["list_published", "load_published", "possible_counts", "published_table", "write_published"]
