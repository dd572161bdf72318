# Training by schedule, where it is asked for. Nothing here costs anything between two jobs but the alarms.

module "training" {
  source = "../training"
  count  = var.training == null ? 0 : 1

  name         = "${local.prefix}-training"
  account      = var.account
  kms_key_arn  = var.bootstrap.kms_key_arn
  image_uri    = "${coalesce(var.bootstrap.repositories.training, "none")}@${coalesce(var.training_image_digest, var.image_digest)}"
  repository   = "${local.prefix}-training"
  roles        = var.roles
  schedule     = var.training.schedule
  job          = var.training.job
  data         = var.training.data != null ? var.training.data : { bucket = var.bootstrap.models_bucket, kms_key_arn = var.bootstrap.kms_key_arn }
  models       = { bucket = var.bootstrap.models_bucket, kms_key_arn = var.bootstrap.kms_key_arn }
  model_name   = var.training.model_name
  seed         = var.training.seed
  tracking_uri = var.training.tracking_uri
  topic_arn    = module.observability.topic_arn
}
