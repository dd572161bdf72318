# What came onto the streams, as files, and the daily run that judges predictions by them, where they are asked for.

locals {
  archive_name = "${local.prefix}-archive"

  # As the files of batch, the archive outlives its switch, unless the environment is disposable.
  archives = var.archive != null || !var.disposable

  # By the folder that each stream goes to.
  archived = merge(
    { events = module.input.stream },
    { for outcomes in module.outcomes : "outcomes" => outcomes.stream },
    { for name, output in module.output : "predictions/${name}" => output.stream },
  )
}

module "archived" {
  source = "../bucket"
  count  = local.archives ? 1 : 0

  name          = "${local.archive_name}-${var.account.id}"
  kms_key_arn   = var.bootstrap.kms_key_arn
  partition     = var.account.partition
  force_destroy = var.disposable
  expire_days   = { for folder in ["errors/", "events/", "outcomes/", "predictions/"] : folder => try(var.archive.keep_days, 90) }
}

module "outcomes" {
  source = "../stream"
  count  = try(var.archive.outcomes, null) == null ? 0 : 1

  name            = coalesce(var.archive.outcomes.name, "${local.prefix}-outcomes")
  account         = var.account
  kms_key_arn     = var.bootstrap.kms_key_arn
  capacity        = local.capacity["outcomes"]
  retention_hours = var.archive.outcomes.retention_hours
}

module "archive" {
  source = "../archive"
  count  = var.archive == null ? 0 : 1

  name        = local.archive_name
  account     = var.account
  kms_key_arn = var.bootstrap.kms_key_arn
  roles       = var.roles
  bucket      = { arn = module.archived[0].arn, kms_key_arn = var.bootstrap.kms_key_arn }
  streams     = local.archived
  buffer      = var.archive.buffer
  topic_arn   = module.observability.topic_arn
}

module "quality" {
  source   = "../quality"
  for_each = try(var.archive.quality, {})

  name         = "${local.prefix}-quality-${each.key}"
  account      = var.account
  kms_key_arn  = var.bootstrap.kms_key_arn
  image_uri    = local.doors_image
  architecture = var.architecture
  roles        = var.roles
  vpc          = var.vpc
  bucket       = { name = module.archived[0].name, arn = module.archived[0].arn, kms_key_arn = var.bootstrap.kms_key_arn }
  archives     = { predictions = "predictions/${each.key}", outcomes = "outcomes", events = "events" }
  results      = "quality/${each.key}"
  group        = each.value.group
  wait         = each.value.wait
  registered   = each.value.registered
  schedule     = each.value.schedule
  function     = each.value.function
  environment  = each.value.environment
  topic_arn    = module.observability.topic_arn

  champion = try([for uri in compact([each.value.champion, try(regex("^s3://.+/champion[.]json$", var.consumers[each.key].model.location), null)]) :
    { uri = uri, kms_key_arn = try(coalesce(var.consumers[each.key].model.kms_key_arn, var.bootstrap.kms_key_arn), null) }
  ][0], null)
}
