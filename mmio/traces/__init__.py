"""Many accesses: kept, filtered, summarised, compared, replayed."""
