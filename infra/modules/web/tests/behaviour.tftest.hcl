# What is made of good settings. The policies are evaluated elsewhere (infra/tests/policies.py); here stands what they rest on.

mock_provider "aws" {
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::123456789012:role/sc" }
  }

  mock_resource "aws_lambda_function" {
    defaults = { arn = "arn:aws:lambda:eu-west-1:123456789012:function:sc", version = "8" }
  }

  mock_resource "aws_lambda_alias" {
    defaults = { arn = "arn:aws:lambda:eu-west-1:123456789012:function:sc:live", invoke_arn = "arn:aws:apigateway:eu-west-1:lambda:path/2015-03-31/functions/sc:live/invocations" }
  }

  mock_resource "aws_lambda_function_url" {
    defaults = { function_url = "https://abc.lambda-url.eu-west-1.on.aws/" }
  }

  mock_resource "aws_apigatewayv2_api" {
    defaults = { id = "api1", execution_arn = "arn:aws:execute-api:eu-west-1:123456789012:api1" }
  }

  mock_resource "aws_apigatewayv2_stage" {
    defaults = { invoke_url = "https://api1.execute-api.eu-west-1.amazonaws.com/" }
  }
}

variables {
  name        = "sc-test-web"
  account     = { id = "123456789012", region = "eu-west-1" }
  kms_key_arn = "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  image_uri   = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/sc@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
  alarms      = { topic_arn = "arn:aws:sns:eu-west-1:123456789012:sc-alarms" }
}

run "a_url_asks_iam_who_is_calling" {
  assert {
    condition     = aws_lambda_function_url.this[0].authorization_type == "AWS_IAM" && aws_lambda_function_url.this[0].qualifier == "live" && length(aws_lambda_function_url.this[0].cors) == 0
    error_message = "Signed requests only, to the alias, and no pages of other origins."
  }

  assert {
    condition     = length(aws_lambda_permission.callers) == 0 && length(aws_apigatewayv2_api.this) == 0
    error_message = "Nobody is let in unasked."
  }

  assert {
    condition     = jsondecode(output.caller_policy).Statement == [{ Effect = "Allow", Action = ["lambda:InvokeFunctionUrl", "lambda:InvokeFunction"], Resource = ["arn:aws:lambda:eu-west-1:123456789012:function:sc-test-web:live"] }]
    error_message = "A caller needs both actions, on the alias."
  }

  assert {
    condition     = module.function.reserved_concurrency == 10
    error_message = "Reserved concurrency is what throttles a URL."
  }
}

run "a_principal_is_let_in_by_both_actions" {
  variables {
    allowed_principals = ["arn:aws:iam::210987654321:role/rides"]
  }

  assert {
    condition = { for key, permission in aws_lambda_permission.callers : key => [permission.action, permission.principal, permission.qualifier, permission.function_url_auth_type == null ? "" : permission.function_url_auth_type] } == {
      "arn:aws:iam::210987654321:role/rides/InvokeFunction"    = ["lambda:InvokeFunction", "arn:aws:iam::210987654321:role/rides", "live", ""]
      "arn:aws:iam::210987654321:role/rides/InvokeFunctionUrl" = ["lambda:InvokeFunctionUrl", "arn:aws:iam::210987654321:role/rides", "live", "AWS_IAM"]
    }
    error_message = "Since October 2025 a URL asks for both."
  }
}

run "an_api_asks_iam_throttles_and_logs" {
  variables {
    endpoint = "http_api"
  }

  assert {
    condition     = aws_apigatewayv2_route.this[0].authorization_type == "AWS_IAM" && aws_apigatewayv2_route.this[0].route_key == "$default" && length(aws_lambda_function_url.this) == 0
    error_message = "Signed requests only, whatever the path."
  }

  assert {
    condition     = length(aws_apigatewayv2_route.preflight) == 0 && length(aws_lambda_permission.preflight) == 0
    error_message = "Without pages of other origins there are no preflights."
  }

  assert {
    condition     = aws_apigatewayv2_stage.this[0].default_route_settings[0].throttling_rate_limit == 50 && aws_apigatewayv2_stage.this[0].default_route_settings[0].throttling_burst_limit == 100
    error_message = "Fifty requests a second."
  }

  assert {
    condition     = aws_apigatewayv2_integration.this[0].payload_format_version == "2.0" && aws_lambda_permission.api[0].source_arn == "arn:aws:execute-api:eu-west-1:123456789012:api1/*/$default"
    error_message = "The events are those of a function URL; this API alone may invoke."
  }

  assert {
    condition     = jsondecode(aws_apigatewayv2_stage.this[0].access_log_settings[0].format).status == "$context.status" && output.access_log_group == "/aws/vendedlogs/apigateway/sc-test-web"
    error_message = "Every request has its line."
  }

  assert {
    condition     = jsondecode(output.caller_policy).Statement == [{ Effect = "Allow", Action = ["execute-api:Invoke"], Resource = ["arn:aws:execute-api:eu-west-1:123456789012:api1/*"] }]
    error_message = "A caller needs to be allowed this API."
  }
}

run "an_api_lets_a_browsers_preflight_pass" {
  variables {
    endpoint = "http_api"
    cors     = { allow_origins = ["https://rides.example.com"] }
  }

  assert {
    condition     = { for key, route in aws_apigatewayv2_route.preflight : key => [route.route_key, route.authorization_type] } == { for key in ["OPTIONS /", "OPTIONS /{proxy+}"] : key => [key, "NONE"] }
    error_message = "A browser does not sign it, and $default would refuse it."
  }

  assert {
    condition     = aws_apigatewayv2_route.this[0].authorization_type == "AWS_IAM" && aws_lambda_permission.preflight[0].source_arn == "arn:aws:execute-api:eu-west-1:123456789012:api1/*/OPTIONS/*"
    error_message = "Nothing but OPTIONS comes in unsigned."
  }
}

run "an_api_is_public_only_where_it_is_said" {
  variables {
    endpoint                      = "http_api"
    public_without_authentication = true
    cors                          = { allow_origins = ["https://rides.example.com"] }
  }

  assert {
    condition     = aws_apigatewayv2_route.this[0].authorization_type == "NONE" && aws_apigatewayv2_api.this[0].cors_configuration[0].allow_origins == toset(["https://rides.example.com"])
    error_message = "Said twice over: by its name, and by the origin."
  }
}

run "a_model_on_s3_is_read_and_nothing_else" {
  variables {
    model = { location = "s3://sc-models/models/7", kms_key_arn = "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555" }
  }

  assert {
    condition     = [for statement in jsondecode(module.function.policies["read-model"]).Statement : statement.Sid] == ["ReadModel", "ListModel", "DecryptModel"] && keys(module.function.policies) == ["logs", "read-model"]
    error_message = "The web interface writes nothing but its logs."
  }
}

run "alarms_watch_the_dimensions_that_aws_reports" {
  assert {
    condition = module.alarms.watched == {
      "web/server-errors" = "AWS/Lambda Url5xxCount {\"FunctionName\":\"sc-test-web\",\"Resource\":\"sc-test-web:live\"}"
      "web/errors"        = "AWS/Lambda Errors {\"FunctionName\":\"sc-test-web\",\"Resource\":\"sc-test-web:live\"}"
      "web/throttles"     = "AWS/Lambda Throttles {\"FunctionName\":\"sc-test-web\",\"Resource\":\"sc-test-web:live\"}"
      "web/latency"       = "AWS/Lambda UrlRequestLatency {\"FunctionName\":\"sc-test-web\",\"Resource\":\"sc-test-web:live\"}"
      "web/duration"      = "AWS/Lambda Duration {\"FunctionName\":\"sc-test-web\",\"Resource\":\"sc-test-web:live\"}"
    }
    error_message = "An alarm on a dimension that nobody reports is silent forever."
  }
}

run "alarms_of_an_api_watch_the_api" {
  variables {
    endpoint = "http_api"
  }

  assert {
    condition     = module.alarms.watched["web/server-errors"] == "AWS/ApiGateway 5xx {\"ApiId\":\"api1\",\"Stage\":\"$default\"}" && module.alarms.watched["web/latency"] == "AWS/ApiGateway Latency {\"ApiId\":\"api1\",\"Stage\":\"$default\"}"
    error_message = "Where there is an API, what it answers counts."
  }
}
