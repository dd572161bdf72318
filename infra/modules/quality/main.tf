# How right a model was: once a day a function compares the predictions of a day with what came true, both from archives
# (docs/monitoring.md, "Quality"). It runs `stream-consumer monitor quality`, keeps the result and emits metrics.

locals {
  uri      = { for archive, prefix in var.archives : archive => prefix == null ? null : "s3://${var.bucket.name}/${prefix}" }
  champion = try(regex("^s3://(?P<bucket>[^/]+)/(?P<key>.+)$", var.champion.uri), null)

  settings = {
    QUALITY_PREDICTIONS = local.uri.predictions
    QUALITY_OUTCOMES    = local.uri.outcomes
    QUALITY_EVENTS      = var.group == null ? null : local.uri.events
    QUALITY_GROUP       = var.group
    QUALITY_RESULTS     = "s3://${var.bucket.name}/${var.results}"
    QUALITY_WAIT        = var.wait
    QUALITY_CHAMPION    = try(var.champion.uri, null)
    QUALITY_RMSE        = try(tostring(var.registered.rmse), null)
    QUALITY_ACCURACY    = try(tostring(var.registered.accuracy), null)
  }
}

module "function" {
  source = "../function"

  name         = var.name
  description  = "Compares the predictions of a day with their outcomes"
  account      = var.account
  kms_key_arn  = var.kms_key_arn
  image_uri    = var.image_uri
  architecture = var.architecture
  roles        = var.roles
  vpc          = var.vpc
  handler      = "stream_consumer.cli.quality_function.lambda_handler"
  function     = merge({ timeout_seconds = 900, scratch_mb = 2048 }, { for name, value in var.function : name => value if value != null })
  environment  = merge(var.environment, { for name, value in local.settings : name => value if value != null })
  policies     = { judge = local.statements }
}

resource "aws_scheduler_schedule_group" "this" {
  name = var.name
}

resource "aws_scheduler_schedule" "this" {
  #checkov:skip=CKV_AWS_297: it says when and what, and holds no data; AWS's own key leaves it none to lose
  name                         = var.name
  description                  = "Judges the last day whose outcomes are in time"
  group_name                   = aws_scheduler_schedule_group.this.name
  schedule_expression          = var.schedule.expression
  schedule_expression_timezone = var.schedule.timezone

  flexible_time_window {
    mode = "OFF"
  }

  # A run that could not be started is missed by the alarm `silent`, and can be made up for at any time.
  target {
    arn      = module.function.alias_arn
    role_arn = aws_iam_role.schedules.arn
    input    = "{}"
  }
}
