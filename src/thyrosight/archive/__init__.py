"""Images by the million -> tables in shards, on one machine's cores or on a Ray cluster; shards -> reports."""
