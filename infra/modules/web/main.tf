# The model behind HTTPS: a function URL or an HTTP API, with IAM's authentication, on one function that costs nothing while
# nobody asks.

locals {
  by_url = var.endpoint == "function_url"

  # What a caller's own role needs, where no permission of the function lets it in.
  invoke_statement = local.by_url ? {
    Effect   = "Allow"
    Action   = ["lambda:InvokeFunctionUrl", "lambda:InvokeFunction"]
    Resource = ["${module.function.arn}:${module.function.alias}"]
    } : {
    Effect   = "Allow"
    Action   = ["execute-api:Invoke"]
    Resource = [for api in aws_apigatewayv2_api.this : "${api.execution_arn}/*"] # wildcard: stage, method and path
  }
}

module "model" {
  source = "../model-access"

  account = var.account
  model   = var.model
}

module "function" {
  source = "../function"

  name         = var.name
  description  = "Answers ride events with predictions"
  account      = var.account
  kms_key_arn  = var.kms_key_arn
  image_uri    = var.image_uri
  architecture = var.architecture
  handler      = "stream_consumer.web.lambda_function.lambda_handler"
  function     = var.function
  release      = var.release
  roles        = var.roles
  vpc          = var.vpc
  environment  = merge(var.environment, module.model.environment)

  policies = { for location in var.model.location[*] : "read-model" => concat(module.model.statements, module.model.key_statements) if startswith(location, "s3://") }
}
