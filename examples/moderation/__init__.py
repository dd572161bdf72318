"""Content moderation: two text classifiers on one input stream, and a reader that merges what they say."""
