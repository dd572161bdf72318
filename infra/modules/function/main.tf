# One function: its image by digest, its published version and the alias that is invoked, its role, its log group.

resource "aws_cloudwatch_log_group" "this" {
  #checkov:skip=CKV_AWS_338: a year is the default; an environment may choose less, as dev does
  name              = "/aws/lambda/${var.name}"
  retention_in_days = var.function.log_retention_days
  kms_key_id        = var.kms_key_arn
}

resource "aws_lambda_function" "this" {
  #checkov:skip=CKV_AWS_115: capping is a choice: without a cap the account's pool serves a mapping, with one the rule shards × factor holds
  #checkov:skip=CKV_AWS_116: what fails is kept by who invokes: a mapping's on-failure destination, a schedule's queue; a web client has its answer
  #checkov:skip=CKV_AWS_117: a VPC is a choice (vpc): it talks to AWS's own services only, over TLS, and would need endpoints there
  #checkov:skip=CKV_AWS_173: the settings are names, not secrets; Lambda encrypts them with its own key
  #checkov:skip=CKV_AWS_272: code signing does not exist for images; the digest pins the code
  #checkov:skip=CKV_AWS_50: tracing is off unless function.tracing says otherwise: X-Ray's SDK ends in 2027 and a trace of a batch says no more than its metrics
  function_name                  = var.name
  description                    = var.description
  role                           = aws_iam_role.this.arn
  package_type                   = "Image"
  image_uri                      = var.image_uri
  architectures                  = [var.architecture]
  memory_size                    = var.function.memory_mb
  timeout                        = var.function.timeout_seconds
  reserved_concurrent_executions = coalesce(var.function.reserved_concurrency, -1)
  publish                        = true

  environment {
    variables = merge(
      var.environment,
      {
        POWERTOOLS_SERVICE_NAME      = var.name
        POWERTOOLS_METRICS_NAMESPACE = "StreamConsumer"
        POWERTOOLS_LOG_LEVEL         = var.function.log_level
      },
      var.function.insights ? { LAMBDA_INSIGHTS_LOG_LEVEL = "info" } : {}, # the extension says in the log that it runs
    )
  }

  tracing_config {
    mode = var.function.tracing ? "Active" : "PassThrough" # Lambda's own default
  }

  logging_config {
    log_format = "Text" # the handler writes JSON lines itself
    log_group  = aws_cloudwatch_log_group.this.name
  }

  dynamic "image_config" {
    for_each = var.handler[*]

    content {
      command = [image_config.value]
    }
  }

  dynamic "ephemeral_storage" {
    for_each = var.function.scratch_mb > 512 ? [1] : []

    content {
      size = var.function.scratch_mb
    }
  }

  # Of IPv4 alone: without ipv6_allowed_for_dual_stack Lambda uses no address of IPv6, in whatever subnet.
  dynamic "vpc_config" {
    for_each = var.vpc[*]

    content {
      subnet_ids         = vpc_config.value.subnet_ids
      security_group_ids = vpc_config.value.security_group_ids
    }
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
  name             = "live"
  function_name    = aws_lambda_function.this.function_name
  function_version = var.release == null ? aws_lambda_function.this.version : var.release.version

  # AWS refuses to share the invocations between a version and itself, as after a deployment that published nothing.
  dynamic "routing_config" {
    for_each = try(var.release.canary_weight > 0 && var.release.version != aws_lambda_function.this.version, false) ? [1] : []

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
