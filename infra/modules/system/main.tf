# The whole system: one input stream, any number of consumers, each with its output stream, and what they share.

locals {
  prefix = "${var.name}-${var.environment}"

  function_names = { for name in keys(var.consumers) : name => "${local.prefix}-${name}" }
  output_names   = { for name, c in var.consumers : name => coalesce(c.output.name, "${local.prefix}-${name}-predictions") }
  input_name     = coalesce(var.input.name, "${local.prefix}-events")

  # A model that is compared during a canary puts its predictions nowhere: they would pass for those of the consumer's own challenger.
  challengers = { for name, c in var.consumers : name => contains(keys(var.challengers), name) ? {
    location    = var.challengers[name].location
    digest      = var.challengers[name].digest
    kms_key_arn = try(c.challenger.kms_key_arn, null)
    threshold   = try(c.challenger.threshold, null)
    timeout_ms  = try(c.challenger.timeout_ms, null)
    stream      = null
  } : c.challenger }

  # A canary is over at its time. The schedule has taken its share away by then, and no plan gives it back.
  releases = { for name, release in var.releases : name => merge(release, {
    canary_weight = try(timecmp(plantimestamp(), release.canary_until) >= 0, false) ? 0 : release.canary_weight
  }) }

  # By stream: a mode or a number of shards that it names itself counts.
  capacity = { for key, stream in merge(
    { input = { mode = var.input.mode, shards = var.input.shards } },
    { for name, c in var.consumers : "output/${name}" => { mode = c.output.mode, shards = c.output.shards } },
    { for outcomes in try(var.archive.outcomes, null)[*] : "outcomes" => { mode = outcomes.mode, shards = outcomes.shards } },
    ) : key => {
    mode   = coalesce(stream.mode, var.stream_defaults.mode)
    shards = stream.mode == null ? try(coalesce(stream.shards, var.stream_defaults.shards), null) : stream.shards
  } }
}

module "input" {
  source = "../stream"

  name                       = local.input_name
  account                    = var.account
  kms_key_arn                = var.bootstrap.kms_key_arn
  capacity                   = merge(local.capacity["input"], { expected_shards = var.input.expected_shards })
  retention_hours            = coalesce(var.input.retention_hours, var.stream_defaults.retention_hours)
  maximum_record_age_seconds = max([for c in values(var.consumers) : c.mapping.maximum_record_age_seconds]...)
  shard_level_metrics        = var.input.shard_level_metrics
  record_distribution        = var.input.record_distribution
  fan_out_consumers          = [for name, c in var.consumers : local.function_names[name] if c.enhanced_fan_out]
}

module "output" {
  source   = "../stream"
  for_each = var.consumers

  name            = local.output_names[each.key]
  account         = var.account
  kms_key_arn     = var.bootstrap.kms_key_arn
  capacity        = local.capacity["output/${each.key}"]
  retention_hours = each.value.output.retention_hours
}

module "failures" {
  source = "../failures"

  name          = "${local.prefix}-failures-${var.account.id}"
  kms_key_arn   = var.bootstrap.kms_key_arn
  partition     = var.account.partition
  force_destroy = var.disposable
}

module "consumer" {
  source   = "../consumer"
  for_each = var.consumers

  name          = local.function_names[each.key]
  account       = var.account
  kms_key_arn   = var.bootstrap.kms_key_arn
  image_uri     = "${var.bootstrap.repositories.lean}@${coalesce(each.value.image_digest, var.image_digest)}"
  architecture  = var.architecture
  roles         = var.roles
  vpc           = var.vpc
  function      = each.value.function
  input_stream  = merge(module.input.stream, { fan_out = each.value.enhanced_fan_out ? { arn = module.input.fan_out_arns[local.function_names[each.key]] } : null })
  ordered       = each.value.ordered
  mapping       = each.value.mapping
  output_stream = module.output[each.key].stream
  model         = merge(each.value.model, { kms_key_arn = try(coalesce(each.value.model.kms_key_arn, var.bootstrap.kms_key_arn), null) })
  challenger    = one([for challenger in local.challengers[each.key][*] : merge(challenger, { kms_key_arn = try(coalesce(challenger.kms_key_arn, var.bootstrap.kms_key_arn), null) })])
  environment   = each.value.environment
  release       = lookup(local.releases, each.key, null)

  dead_letters = {
    bucket            = module.failures.name
    bucket_arn        = module.failures.arn
    prefix            = "${module.failures.dead_letter_prefix}/${each.key}"
    on_failure_prefix = module.failures.on_failure_prefix
  }

  depends_on = [module.canary] # no share before its end is scheduled
}

module "canary" {
  source = "../canary"

  name      = "${local.prefix}-ends-canaries"
  account   = var.account
  roles     = var.roles
  functions = values(local.function_names)

  # Also of a canary that is over: its schedule is there until the next deployment.
  until = { for name, release in var.releases : local.function_names[name] => release.canary_until
    if contains(keys(var.consumers), name) && release.canary_weight > 0 && release.canary_until != null
  }
}

module "observability" {
  source = "../observability"

  name         = local.prefix
  account      = var.account
  kms_key_arn  = var.bootstrap.kms_key_arn
  emails       = var.emails
  input_stream = { name = local.input_name, shards = module.input.stream.shards, mode = local.capacity["input"].mode }
  widgets      = flatten(module.monitor[*].widgets)

  consumers = { for name, c in var.consumers : name => {
    function_name              = module.consumer[name].function_name
    alias                      = module.consumer[name].alias
    mapping_id                 = module.consumer[name].mapping_id
    output_stream_name         = local.output_names[name]
    memory_mb                  = module.consumer[name].memory_mb
    timeout_seconds            = module.consumer[name].timeout_seconds
    maximum_record_age_seconds = c.mapping.maximum_record_age_seconds
    window_seconds             = module.consumer[name].window_seconds
    filtered                   = module.consumer[name].filtered
    alarms                     = c.alarms
  } }
}

module "release_trigger" {
  source = "../release-trigger"
  count  = var.release_trigger == null ? 0 : 1

  name        = "${local.prefix}-release"
  account     = var.account
  environment = var.environment
  repository  = var.release_trigger.repository
  api_url     = var.release_trigger.api_url
  bucket      = var.bootstrap.models_bucket
  models      = var.release_trigger.models
  roles       = var.roles
  alarms      = { topic_arn = module.observability.topic_arn }
}
