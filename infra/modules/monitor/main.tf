# Watches whether a model is still right: a second function on the input stream keeps the profile of each window, and judges each day.

module "model" {
  source = "../model-access"

  account = var.account
  model   = var.model
}

module "function" {
  source = "../function"

  name         = var.name
  description  = "Profiles ${var.input_stream.name} and judges its drift"
  account      = var.account
  kms_key_arn  = var.kms_key_arn
  image_uri    = var.image_uri
  architecture = var.architecture
  roles        = var.roles
  vpc          = var.vpc
  handler      = "stream_consumer.monitor.lambda_function.lambda_handler"
  function     = var.function
  policies     = local.policies

  environment = merge(
    var.environment,
    {
      PROFILE_BUCKET = var.profiles.bucket
      PROFILE_PREFIX = var.profiles.prefix
    },
    module.model.environment,
  )
}

# Its own mapping: the consumers' neither wait for it nor see it. The function raises for no record, only where it cannot run at all, so
# bisecting would find nothing, hold up the shard for longer (splits do not count as retries), and tear windows apart. It reports no
# record as failed, so the answer needs no response type either.
resource "aws_lambda_event_source_mapping" "this" {
  function_name    = module.function.alias_arn
  event_source_arn = var.input_stream.arn
  enabled          = var.mapping.enabled

  batch_size                         = var.mapping.batch_size
  maximum_batching_window_in_seconds = var.mapping.batching_seconds
  tumbling_window_in_seconds         = var.mapping.window_seconds
  parallelization_factor             = 1 # AWS refuses more with a window: a shard has one state
  starting_position                  = var.mapping.starting_position
  bisect_batch_on_function_error     = false
  maximum_retry_attempts             = var.mapping.maximum_retry_attempts
  maximum_record_age_in_seconds      = var.mapping.maximum_record_age_seconds

  metrics_config {
    metrics = ["EventCount"]
  }
}
