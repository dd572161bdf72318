# A consumer: the function, behind the alias that the mapping invokes.

module "model" {
  source = "../model-access"

  account = var.account
  model   = var.model
}

module "challenger" {
  source = "../model-access"

  account = var.account
  model   = { location = try(var.challenger.location, null), digest = try(var.challenger.digest, null), kms_key_arn = try(var.challenger.kms_key_arn, null) }
}

locals {
  challenger_settings = merge(
    { for name, value in module.challenger.environment : replace(name, "MODEL_", "CHALLENGER_") => value },
    { for name, value in {
      CHALLENGER_STREAM     = try(var.challenger.stream.arn, null)
      CHALLENGER_THRESHOLD  = try(tostring(var.challenger.threshold), null)
      CHALLENGER_TIMEOUT_MS = try(tostring(var.challenger.timeout_ms), null)
    } : name => value if value != null },
  )
}

module "function" {
  source = "../function"

  name         = var.name
  description  = "Scores ${var.input_stream.name} onto ${var.output_stream.name}"
  account      = var.account
  kms_key_arn  = var.kms_key_arn
  image_uri    = var.image_uri
  architecture = var.architecture
  function     = var.function
  policies     = local.policies
  roles        = var.roles
  vpc          = var.vpc
  release      = var.release

  environment = merge(
    var.environment,
    {
      PREDICTIONS_STREAM_NAME = var.output_stream.name
      DEAD_LETTER_BUCKET      = var.dead_letters.bucket
      DEAD_LETTER_PREFIX      = var.dead_letters.prefix
    },
    module.model.environment,
    local.challenger_settings,
  )
}

moved {
  from = aws_cloudwatch_log_group.this
  to   = module.function.aws_cloudwatch_log_group.this
}

moved {
  from = aws_lambda_function.this
  to   = module.function.aws_lambda_function.this
}

moved {
  from = aws_lambda_alias.live
  to   = module.function.aws_lambda_alias.live
}

moved {
  from = aws_lambda_provisioned_concurrency_config.live
  to   = module.function.aws_lambda_provisioned_concurrency_config.live
}

moved {
  from = aws_iam_role.this
  to   = module.function.aws_iam_role.this
}

moved {
  from = aws_iam_role_policy.this
  to   = module.function.aws_iam_role_policy.this
}
