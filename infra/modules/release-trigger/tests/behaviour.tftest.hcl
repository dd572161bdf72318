# What is made of good settings. The policies are evaluated elsewhere (infra/tests/policies.py); here stands what they rest on.

mock_provider "aws" {
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::123456789012:role/sc" }
  }

  mock_resource "aws_sqs_queue" {
    defaults = { arn = "arn:aws:sqs:eu-west-1:123456789012:sc-test-release-failed" }
  }

  mock_resource "aws_cloudwatch_event_connection" {
    defaults = { arn = "arn:aws:events:eu-west-1:123456789012:connection/sc-test-release/1" }
  }

  mock_resource "aws_cloudwatch_event_api_destination" {
    defaults = { arn = "arn:aws:events:eu-west-1:123456789012:api-destination/sc-test-release/1" }
  }
}

variables {
  name        = "sc-test-release"
  account     = { id = "123456789012", region = "eu-west-1" }
  environment = "test"
  repository  = "my-company/rides"
  bucket      = "sc-models"
  models      = ["ride-duration", "tips"]
  alarms      = { topic_arn = "arn:aws:sns:eu-west-1:123456789012:sc-alarms" }
}

run "a_model_is_released_when_its_champion_is_written_and_nothing_else_is" {
  assert {
    condition = { for model, rule in aws_cloudwatch_event_rule.champion : rule.name => jsondecode(rule.event_pattern).detail } == {
      sc-test-release-ride-duration = { bucket = { name = ["sc-models"] }, object = { key = ["models/ride-duration/champion.json"] } }
      sc-test-release-tips          = { bucket = { name = ["sc-models"] }, object = { key = ["models/tips/champion.json"] } }
    }
    error_message = "A release writes to the bucket too: it must not ask for another one."
  }
}

run "github_is_told_which_model_and_which_version_of_the_file" {
  assert {
    condition     = aws_cloudwatch_event_target.dispatch["tips"].input_transformer[0].input_template == "{\"client_payload\":{\"champion\":\"s3://sc-models/models/tips/champion.json\",\"environment\":\"test\",\"etag\":\"<etag>\",\"event\":\"<event>\",\"model\":\"tips\",\"version\":\"<version>\"},\"event_type\":\"champion\"}"
    error_message = "The workflow runs for an event of type champion."
  }

  assert {
    condition     = aws_cloudwatch_event_api_destination.dispatches.invocation_endpoint == "https://api.github.com/repos/my-company/rides/dispatches"
    error_message = "GitHub takes dispatches there."
  }
}

run "what_github_does_not_take_is_kept" {
  assert {
    condition     = alltrue([for target in aws_cloudwatch_event_target.dispatch : target.dead_letter_config[0].arn == "arn:aws:sqs:eu-west-1:123456789012:sc-test-release-failed"]) && aws_sqs_queue.failed.message_retention_seconds == 1209600
    error_message = "A promotion that nobody was told of stays for as long as SQS keeps anything."
  }
}

run "the_state_holds_no_token" {
  assert {
    condition     = aws_cloudwatch_event_connection.github.auth_parameters[0].api_key[0].value == "none yet"
    error_message = "The token is given by make release-token."
  }
}
