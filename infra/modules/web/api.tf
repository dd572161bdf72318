# endpoint = "http_api": an HTTP API before the alias, with a throttle and a log of every request.

locals {
  access_log_group = "/aws/vendedlogs/apigateway/${var.name}"

  # One line of JSON a request, without what was asked: rides are nobody's business here.
  access_log_fields = {
    requestId          = "$context.requestId"
    time               = "$context.requestTime"
    ip                 = "$context.identity.sourceIp"
    caller             = "$context.identity.userArn"
    method             = "$context.httpMethod"
    path               = "$context.path"
    status             = "$context.status"
    latency            = "$context.responseLatency"
    integrationLatency = "$context.integrationLatency"
    error              = "$context.error.message"
    integrationError   = "$context.integrationErrorMessage"
  }

  asks_iam = !local.by_url && !var.public_without_authentication

  # A browser does not sign its preflight, which $default would catch and refuse; these let it pass, and the API answers it, or the function with 204 and nothing.
  # Source: Amazon API Gateway developer guide, "Configuring CORS for an HTTP API with a $default route and an authorizer".
  preflights = local.asks_iam && var.cors != null ? ["OPTIONS /", "OPTIONS /{proxy+}"] : []
}

resource "aws_apigatewayv2_api" "this" {
  count = local.by_url ? 0 : 1

  name          = var.name
  description   = "Predictions of ${var.name}"
  protocol_type = "HTTP"

  dynamic "cors_configuration" {
    for_each = var.cors[*]

    content {
      allow_origins = cors_configuration.value.allow_origins
      allow_methods = cors_configuration.value.allow_methods
      allow_headers = cors_configuration.value.allow_headers
      max_age       = cors_configuration.value.max_age_seconds
    }
  }
}

resource "aws_apigatewayv2_integration" "this" {
  count = local.by_url ? 0 : 1

  api_id                 = aws_apigatewayv2_api.this[0].id
  integration_type       = "AWS_PROXY"
  integration_uri        = module.function.invoke_arn
  payload_format_version = "2.0"
  timeout_milliseconds   = 30000 # the longest there is; the function's own timeout is shorter
}

resource "aws_apigatewayv2_route" "this" {
  count = local.by_url ? 0 : 1

  #checkov:skip=CKV_AWS_309: it is AWS_IAM unless public_without_authentication says otherwise, which no environment here does
  api_id             = aws_apigatewayv2_api.this[0].id
  route_key          = "$default"
  authorization_type = local.asks_iam ? "AWS_IAM" : "NONE"
  target             = "integrations/${aws_apigatewayv2_integration.this[0].id}"
}

resource "aws_apigatewayv2_route" "preflight" {
  #checkov:skip=CKV_AWS_309: no browser signs a preflight, and the function answers an OPTIONS with nothing
  for_each = toset(local.preflights)

  api_id             = aws_apigatewayv2_api.this[0].id
  route_key          = each.key
  authorization_type = "NONE"
  target             = "integrations/${aws_apigatewayv2_integration.this[0].id}"
}

resource "aws_apigatewayv2_stage" "this" {
  count = local.by_url ? 0 : 1

  api_id      = aws_apigatewayv2_api.this[0].id
  name        = "$default"
  auto_deploy = true

  default_route_settings {
    throttling_rate_limit    = var.throttle.requests_per_second
    throttling_burst_limit   = var.throttle.burst
    detailed_metrics_enabled = true
  }

  access_log_settings {
    destination_arn = "arn:${var.account.partition}:logs:${var.account.region}:${var.account.id}:log-group:${aws_cloudwatch_log_group.access[0].name}"
    format          = jsonencode(local.access_log_fields)
  }
}

resource "aws_cloudwatch_log_group" "access" {
  #checkov:skip=CKV_AWS_338: a year is the default; an environment may choose less, as dev does
  count = local.by_url ? 0 : 1

  name              = local.access_log_group
  retention_in_days = var.function.log_retention_days
  kms_key_id        = var.kms_key_arn
}

resource "aws_lambda_permission" "api" {
  count = local.by_url ? 0 : 1

  statement_id   = "HttpApi"
  action         = "lambda:InvokeFunction"
  principal      = "apigateway.amazonaws.com"
  function_name  = module.function.name
  qualifier      = module.function.alias
  source_arn     = "${aws_apigatewayv2_api.this[0].execution_arn}/*/$default"
  source_account = var.account.id
}

# For an OPTIONS that is no preflight: without it the caller would be answered with 500, and somebody be paged.
resource "aws_lambda_permission" "preflight" {
  count = length(local.preflights) == 0 ? 0 : 1

  statement_id   = "HttpApiPreflight"
  action         = "lambda:InvokeFunction"
  principal      = "apigateway.amazonaws.com"
  function_name  = module.function.name
  qualifier      = module.function.alias
  source_arn     = "${aws_apigatewayv2_api.this[0].execution_arn}/*/OPTIONS/*" # wildcard: of any path
  source_account = var.account.id
}
