# Where an event ends that is no prediction: dead letters of the consumers, on-failure documents of their mappings. The profiles of
# the monitor lie beside them.

locals {
  # The layout is Lambda's own. Source: AWS Lambda developer guide, "Retain discarded batch records for a Kinesis Data Streams event source".
  on_failure_prefix = "aws/lambda"

  profile_prefix = "profiles"
}

module "bucket" {
  source = "../bucket"

  name          = var.name
  kms_key_arn   = var.kms_key_arn
  partition     = var.partition
  force_destroy = var.force_destroy
  expire_days = {
    "${var.dead_letter_prefix}/"  = var.keep_days
    "${local.on_failure_prefix}/" = var.keep_days
    "${local.profile_prefix}/"    = var.keep_profile_days
  }
}
