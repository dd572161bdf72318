# Model artefacts (models/), the data they were trained on (training/), and what training jobs left (jobs/).

module "bucket" {
  source = "../bucket"

  name            = var.name
  kms_key_arn     = var.kms_key_arn
  partition       = var.partition
  noncurrent_days = 90 # a model that was overwritten by mistake is missed at the next retraining
  expire_days     = { "training/" = var.keep_training_days, "jobs/" = var.keep_training_days }
}

# A bucket has one notification configuration. EventBridge alone is told, at no charge; its rules choose (modules/release-trigger).
resource "aws_s3_bucket_notification" "this" {
  bucket      = module.bucket.name
  eventbridge = true
}
