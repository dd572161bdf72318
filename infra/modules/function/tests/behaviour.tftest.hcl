mock_provider "aws" {
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::123456789012:role/sc" }
  }

  mock_resource "aws_lambda_function" {
    defaults = { arn = "arn:aws:lambda:eu-west-1:123456789012:function:sc", version = "8" }
  }

  mock_resource "aws_lambda_alias" {
    defaults = { arn = "arn:aws:lambda:eu-west-1:123456789012:function:sc:live" }
  }
}

variables {
  name        = "sc-test-rides"
  description = "Scores rides"
  account     = { id = "123456789012", region = "eu-west-1" }
  kms_key_arn = "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  image_uri   = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/sc@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
  policies    = {}
}

run "a_rolled_back_function_stays_on_its_version" {
  variables {
    release = { version = "7" }
  }

  assert {
    condition     = aws_lambda_alias.live.function_version == "7" && length(aws_lambda_alias.live.routing_config) == 0
    error_message = "The alias names the version of the release, alone."
  }
}

run "a_canary_gets_its_share" {
  variables {
    release = { version = "7", canary_weight = 0.1 }
  }

  assert {
    condition     = aws_lambda_alias.live.function_version == "7" && aws_lambda_alias.live.routing_config[0].additional_version_weights == tomap({ "8" = 0.1 })
    error_message = "The newest version is the canary."
  }
}

run "a_canary_of_the_live_version_gets_no_share" {
  variables {
    release = { version = "8", canary_weight = 0.1 }
  }

  assert {
    condition     = aws_lambda_alias.live.function_version == "8" && length(aws_lambda_alias.live.routing_config) == 0
    error_message = "AWS refuses a version beside itself."
  }
}

run "snap_start_and_a_cap" {
  variables {
    function = { snap_start = true, reserved_concurrency = 8 }
  }

  assert {
    condition     = aws_lambda_function.this.snap_start[0].apply_on == "PublishedVersions" && aws_lambda_function.this.reserved_concurrent_executions == 8
    error_message = "Snapshots are of published versions; what is reserved is the cap."
  }
}

run "warm_environments_serve_the_alias" {
  variables {
    function = { provisioned_concurrency = 3 }
  }

  assert {
    condition     = aws_lambda_provisioned_concurrency_config.live[0].qualifier == "live" && aws_lambda_provisioned_concurrency_config.live[0].provisioned_concurrent_executions == 3
    error_message = "Only the alias is invoked, so only the alias is kept warm."
  }

  assert {
    condition     = aws_lambda_function.this.reserved_concurrent_executions == -1
    error_message = "Without reserved concurrency the account's pool serves it."
  }
}

run "a_handler_of_its_own_and_room_to_write" {
  variables {
    handler     = "stream_consumer.worker.task_starter.lambda_handler"
    function    = { scratch_mb = 2048 }
    environment = { QUEUE_URL = "https://sqs/q", POWERTOOLS_LOG_LEVEL = "TRACE" }
  }

  assert {
    condition     = aws_lambda_function.this.image_config[0].command == tolist(["stream_consumer.worker.task_starter.lambda_handler"]) && aws_lambda_function.this.ephemeral_storage[0].size == 2048
    error_message = "One image runs every handler; /tmp is as large as is said."
  }

  assert {
    condition = output.settings == tomap({
      QUEUE_URL                    = "https://sqs/q"
      POWERTOOLS_SERVICE_NAME      = "sc-test-rides"
      POWERTOOLS_METRICS_NAMESPACE = "StreamConsumer"
      POWERTOOLS_LOG_LEVEL         = "INFO"
    })
    error_message = "Logs and metrics follow from the variables, whatever else is set."
  }
}

run "nothing_but_its_own_logs_is_allowed_unasked" {
  assert {
    condition = output.policies == { logs = jsonencode({
      Version = "2012-10-17"
      Statement = [{
        Sid      = "WriteOwnLogs"
        Effect   = "Allow"
        Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
        Resource = ["arn:aws:logs:eu-west-1:123456789012:log-group:/aws/lambda/sc-test-rides:*"]
      }]
    }) }
    error_message = "What else it may do is said by who uses it."
  }
}

run "without_a_vpc_nothing_of_one_is_there_or_allowed" {
  assert {
    condition     = length(aws_lambda_function.this.vpc_config) == 0 && !contains(keys(output.policies), "network")
    error_message = "Network interfaces are for functions in a VPC."
  }
}

run "in_a_vpc_lambda_manages_interfaces_and_the_code_does_not" {
  variables {
    vpc      = { subnet_ids = ["subnet-1", "subnet-2"], security_group_ids = ["sg-1"] }
    function = { snap_start = true } # both go together
  }

  assert {
    condition     = aws_lambda_function.this.vpc_config[0].subnet_ids == toset(["subnet-1", "subnet-2"]) && aws_lambda_function.this.vpc_config[0].security_group_ids == toset(["sg-1"])
    error_message = "The function is in the VPC that is said."
  }

  assert {
    condition     = !coalesce(aws_lambda_function.this.vpc_config[0].ipv6_allowed_for_dual_stack, false)
    error_message = "The endpoints of AWS's services are of IPv4."
  }

  assert {
    condition = [for statement in jsondecode(output.policies["network"]).Statement : [statement.Effect, length(statement.Action), try(statement.Condition.ArnEquals["lambda:SourceFunctionArn"], "")]] == [
      ["Allow", 6, ""], ["Deny", 6, "arn:aws:lambda:eu-west-1:123456789012:function:sc-test-rides"],
    ]
    error_message = "Lambda asks with the function's role, and so does the function's code, which is told apart by its ARN."
  }
}

run "nothing_is_traced_unasked" {
  assert {
    condition     = aws_lambda_function.this.tracing_config[0].mode == "PassThrough" && !contains(keys(output.policies), "trace") && !contains(keys(output.policies), "insights")
    error_message = "Traces are billed, and the role may not send any."
  }
}

run "a_function_that_is_traced_may_send_traces" {
  variables {
    function = { tracing = true }
  }

  assert {
    condition     = aws_lambda_function.this.tracing_config[0].mode == "Active" && jsondecode(output.policies["trace"]).Statement[0].Action == ["xray:PutTelemetryRecords", "xray:PutTraceSegments"]
    error_message = "Lambda sends traces with the permissions of the role."
  }
}

run "lambda_insights_is_a_choice" {
  variables {
    function = { insights = true }
  }

  assert {
    condition     = output.settings["LAMBDA_INSIGHTS_LOG_LEVEL"] == "info" && [for statement in jsondecode(output.policies["insights"]).Statement : statement.Action] == [["logs:CreateLogGroup"], ["logs:CreateLogStream", "logs:PutLogEvents"]]
    error_message = "The extension may write to its own log group, and nowhere else."
  }
}
