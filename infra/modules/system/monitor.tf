# Whether a model is still right, where it is asked for: a function beside the consumer that serves it.

locals {
  # The consumer whose model is watched: the one that is named, or the only one.
  watched = try(coalesce(var.monitor.consumer), keys(var.consumers)[0])
}

module "monitor" {
  source = "../monitor"
  count  = var.monitor == null ? 0 : 1

  name         = "${local.prefix}-monitor"
  account      = var.account
  kms_key_arn  = var.bootstrap.kms_key_arn
  image_uri    = "${var.bootstrap.repositories.lean}@${coalesce(var.consumers[local.watched].image_digest, var.image_digest)}"
  architecture = var.architecture
  roles        = var.roles
  vpc          = var.vpc
  input_stream = module.input.stream
  model        = merge(var.consumers[local.watched].model, { kms_key_arn = try(coalesce(var.consumers[local.watched].model.kms_key_arn, var.bootstrap.kms_key_arn), null) })
  profiles     = { bucket = module.failures.name, bucket_arn = module.failures.arn, prefix = module.failures.profile_prefix }
  environment  = var.consumers[local.watched].environment
  function     = var.monitor.function
  mapping      = var.monitor.mapping
  judgement    = var.monitor.judgement
  topic_arn    = module.observability.topic_arn
}
