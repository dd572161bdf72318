"""
Archives of streams: the records of a stream, as files by the hour.

The rule: the layout is that of Amazon Data Firehose, so its archives and ours are interchangeable.
"""
