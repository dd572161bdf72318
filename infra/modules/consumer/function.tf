# The function, its published version and the alias that the mapping invokes.

locals {
  alias = "live"

  settings = merge(
    var.environment,
    {
      PREDICTIONS_STREAM_NAME      = var.output_stream.name
      DEAD_LETTER_BUCKET           = var.dead_letters.bucket
      DEAD_LETTER_PREFIX           = var.dead_letters.prefix
      POWERTOOLS_SERVICE_NAME      = var.name
      POWERTOOLS_METRICS_NAMESPACE = "StreamConsumer"
      POWERTOOLS_LOG_LEVEL         = var.function.log_level
    },
    var.model.location == null ? {} : { MODEL_LOCATION = var.model.location },
    var.model.digest == null ? {} : { MODEL_DIGEST = var.model.digest },
  )
}

resource "aws_cloudwatch_log_group" "this" {
  #checkov:skip=CKV_AWS_338: a year is the default; an environment may choose less, as dev does
  name              = "/aws/lambda/${var.name}"
  retention_in_days = var.function.log_retention_days
  kms_key_id        = var.kms_key_arn
}

resource "aws_lambda_function" "this" {
  #checkov:skip=CKV_AWS_115: capping is a choice: without a cap the account's pool serves the mapping, with one the rule shards × factor holds
  #checkov:skip=CKV_AWS_116: a dead-letter queue serves asynchronous calls; the mapping has its on-failure destination
  #checkov:skip=CKV_AWS_117: it talks to Kinesis, S3 and CloudWatch only, over TLS; a VPC would add endpoints and cold starts
  #checkov:skip=CKV_AWS_173: the settings are names, not secrets; Lambda encrypts them with its own key
  #checkov:skip=CKV_AWS_272: code signing does not exist for images; the digest pins the code
  #checkov:skip=CKV_AWS_50: tracing is off: X-Ray's SDK ends in 2027 and a trace of a batch says no more than its metrics
  function_name                  = var.name
  description                    = "Scores ${var.input_stream.name} onto ${var.output_stream.name}"
  role                           = aws_iam_role.this.arn
  package_type                   = "Image"
  image_uri                      = var.image_uri
  architectures                  = [var.architecture]
  memory_size                    = var.function.memory_mb
  timeout                        = var.function.timeout_seconds
  reserved_concurrent_executions = coalesce(var.function.reserved_concurrency, -1)
  publish                        = true

  environment {
    variables = local.settings
  }

  logging_config {
    log_format = "Text" # the handler writes JSON lines itself
    log_group  = aws_cloudwatch_log_group.this.name
  }

  dynamic "snap_start" {
    for_each = var.function.snap_start ? [1] : []

    content {
      apply_on = "PublishedVersions"
    }
  }

  # Init reads the model, so the permissions must be there first.
  depends_on = [aws_iam_role_policy.this]
}

resource "aws_lambda_alias" "live" {
  name             = local.alias
  function_name    = aws_lambda_function.this.function_name
  function_version = var.release == null ? aws_lambda_function.this.version : var.release.version

  dynamic "routing_config" {
    for_each = try(var.release.canary_weight, 0) > 0 ? [1] : []

    content {
      additional_version_weights = { (aws_lambda_function.this.version) = var.release.canary_weight }
    }
  }
}

resource "aws_lambda_provisioned_concurrency_config" "live" {
  count = var.function.provisioned_concurrency > 0 ? 1 : 0

  function_name                     = aws_lambda_function.this.function_name
  qualifier                         = aws_lambda_alias.live.name
  provisioned_concurrent_executions = var.function.provisioned_concurrency
}
