# endpoint = "function_url": an address of the alias. IAM signs callers in, reserved concurrency is the only throttle.

resource "aws_lambda_function_url" "this" {
  count = local.by_url ? 1 : 0

  function_name      = module.function.name
  qualifier          = module.function.alias
  authorization_type = "AWS_IAM"
  invoke_mode        = "BUFFERED"

  dynamic "cors" {
    for_each = var.cors[*]

    content {
      allow_origins = cors.value.allow_origins
      allow_methods = cors.value.allow_methods
      allow_headers = cors.value.allow_headers
      max_age       = cors.value.max_age_seconds
    }
  }
}

# URLs made since October 2025 ask for both actions. Provider 5.100 cannot say lambda:InvokedViaFunctionUrl (6.29 can), so these
# principals may also invoke the alias directly.
# Source: AWS Lambda developer guide, "Control access to Lambda function URLs".
resource "aws_lambda_permission" "callers" {
  for_each = local.by_url ? { for pair in setproduct(var.allowed_principals, ["InvokeFunctionUrl", "InvokeFunction"]) : "${pair[0]}/${pair[1]}" => pair } : {}

  statement_id           = "${each.value[1]}-${substr(sha256(each.value[0]), 0, 12)}"
  action                 = "lambda:${each.value[1]}"
  principal              = each.value[0]
  function_name          = module.function.name
  qualifier              = module.function.alias
  function_url_auth_type = each.value[1] == "InvokeFunctionUrl" ? "AWS_IAM" : null
}
