# What reading a model takes: settings and permissions, for whatever runs it. It makes nothing.

locals {
  s3     = try(regex("^s3://(?P<bucket>[^/]+)/(?P<prefix>.+)$", var.model.location), null)
  bucket = local.s3 == null ? "" : "arn:${var.account.partition}:s3:::${local.s3.bucket}"
}
