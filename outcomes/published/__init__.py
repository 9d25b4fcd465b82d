"""Numbers from published trials, as data with their source."""

from outcomes.published.reconstruction import possible_counts
from outcomes.published.tables import list_published, published_table

__all__ = ["list_published", "possible_counts", "published_table"]
