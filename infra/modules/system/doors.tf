# The two other interfaces, if they are set: files (batch) and HTTPS (web). While nobody uses them, nothing here costs anything
# but the batch interface's starter, cents a month.

locals {
  doors_image = "${var.bootstrap.repositories.doors}@${coalesce(var.doors_image_digest, var.image_digest)}"
  batch_name  = "${local.prefix}-batch"
  web_name    = "${local.prefix}-web"

  # Where the batch interface has no bucket of the user's, it has one of ours. Files outlive the interface, unless the environment is disposable:
  # there the bucket is made at once and stays, for it costs nothing while it is empty and cannot go while it is not.
  batch_bucket = !var.disposable || try(var.batch.input == null || var.batch.output == null, false)
}

module "files" {
  source = "../bucket"
  count  = local.batch_bucket ? 1 : 0

  name          = "${local.batch_name}-${var.account.id}"
  kms_key_arn   = var.bootstrap.kms_key_arn
  partition     = var.account.partition
  force_destroy = var.disposable
}

module "batch" {
  source = "../batch"
  count  = var.batch == null ? 0 : 1

  name         = local.batch_name
  account      = var.account
  kms_key_arn  = var.bootstrap.kms_key_arn
  image_uri    = local.doors_image
  repository   = "${local.prefix}-doors"
  architecture = var.architecture
  roles        = var.roles
  vpc          = var.vpc
  input        = var.batch.input != null ? var.batch.input : { bucket = module.files[0].name, kms_key_arn = var.bootstrap.kms_key_arn, owns_notifications = true }
  output       = var.batch.output != null ? var.batch.output : { bucket = module.files[0].name, kms_key_arn = var.bootstrap.kms_key_arn }
  model        = merge(var.batch.model, { kms_key_arn = try(coalesce(var.batch.model.kms_key_arn, var.bootstrap.kms_key_arn), null) })
  queue        = var.batch.queue
  network      = var.batch.network
  task         = var.batch.task
  on_arrival   = var.batch.on_arrival
  interval     = var.batch.interval
  environment  = var.batch.environment
  alarms       = { topic_arn = module.observability.topic_arn, age_seconds = var.batch.alarm_age_seconds }
}

module "web" {
  source = "../web"
  count  = var.web == null ? 0 : 1

  name                          = local.web_name
  account                       = var.account
  kms_key_arn                   = var.bootstrap.kms_key_arn
  image_uri                     = local.doors_image
  architecture                  = var.architecture
  roles                         = var.roles
  vpc                           = var.vpc
  endpoint                      = coalesce(var.web.endpoint, "function_url")
  allowed_principals            = coalesce(var.web.allowed_principals, [])
  public_without_authentication = coalesce(var.web.public_without_authentication, false)
  model                         = merge(var.web.model, { kms_key_arn = try(coalesce(var.web.model.kms_key_arn, var.bootstrap.kms_key_arn), null) })
  function                      = var.web.function
  throttle                      = var.web.throttle
  cors                          = var.web.cors
  environment                   = var.web.environment
  release                       = try(var.releases["web"], var.web.release)
  alarms                        = merge(var.web.alarms, { topic_arn = module.observability.topic_arn })
}
