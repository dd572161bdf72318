# What reading a model takes: settings and permissions, for whatever runs it. It makes nothing.

locals {
  # A champion.json names a folder beside it, so reading it takes the folder of both.
  s3     = try(regex("^s3://(?P<bucket>[^/]+)/(?P<prefix>.+?)(?:/champion[.]json)?$", var.model.location), null)
  bucket = local.s3 == null ? "" : "arn:${var.account.partition}:s3:::${local.s3.bucket}"
}
