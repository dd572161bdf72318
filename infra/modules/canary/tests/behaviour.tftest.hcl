# The end of a canary is in AWS's hands before the canary begins.

mock_provider "aws" {
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::123456789012:role/sc-test-canary" }
  }
}

variables {
  name      = "sc-test-canary"
  account   = { id = "123456789012", region = "eu-west-1" }
  functions = ["sc-test-trial", "sc-test-rides"]
}

run "without_a_canary_nothing_is_scheduled" {
  assert {
    condition     = length(aws_scheduler_schedule.this) == 0
    error_message = "Nothing has a share to take away."
  }
}

run "a_canary_ends_at_its_time" {
  variables {
    until = { sc-test-rides = "2099-11-27T16:10:00Z" }
  }

  assert {
    condition     = aws_scheduler_schedule.this["sc-test-rides"].schedule_expression == "at(2099-11-27T16:10:00)"
    error_message = "Scheduler takes a time of UTC without a zone."
  }

  assert {
    condition     = aws_scheduler_schedule.this["sc-test-rides"].target[0].arn == "arn:aws:scheduler:::aws-sdk:lambda:updateAlias"
    error_message = "The universal target updates the alias."
  }

  assert {
    condition = jsondecode(aws_scheduler_schedule.this["sc-test-rides"].target[0].input) == {
      FunctionName  = "sc-test-rides"
      Name          = "live"
      RoutingConfig = { AdditionalVersionWeights = {} }
    }
    error_message = "The share goes, and the version behind the alias stays what it is then."
  }

  assert {
    condition = jsondecode(aws_iam_role_policy.this.policy).Statement[0].Resource == [
      "arn:aws:lambda:eu-west-1:123456789012:function:sc-test-rides",
      "arn:aws:lambda:eu-west-1:123456789012:function:sc-test-trial",
    ]
    error_message = "The role updates aliases of the consumers, and of no other function."
  }
}
