"""
Archives of streams: what came onto a stream, as files by the hour.

The rule: an archive has the layout that Amazon Data Firehose gives, so it does not matter who wrote it.
"""
