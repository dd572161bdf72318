# Each day is judged once it is over, and with it the seven days that end with it: no window may ring by itself.

locals {
  # jsonencode writes < as \u003c, and Scheduler would not find the word that it must replace.
  judgement = replace(replace(jsonencode({ judge = "yesterday", scheduled_time = "<aws.scheduler.scheduled-time>" }), "\\u003c", "<"), "\\u003e", ">")
}

resource "aws_scheduler_schedule_group" "this" {
  name = var.name
}

resource "aws_scheduler_schedule" "judgement" {
  #checkov:skip=CKV_AWS_297: it says when and what, and holds no data; AWS's own key leaves it none to lose
  name                         = "${var.name}-judgement"
  description                  = "Judges the drift of the day before, and of its week"
  group_name                   = aws_scheduler_schedule_group.this.name
  schedule_expression          = var.judgement.schedule
  schedule_expression_timezone = "UTC" # as the days of the profiles
  state                        = var.judgement.enabled ? "ENABLED" : "DISABLED"

  flexible_time_window {
    mode = "OFF"
  }

  # What could not be started leaves no message: the alarm `unjudged` tells of it, whatever the reason.
  target {
    arn      = module.function.alias_arn
    role_arn = aws_iam_role.schedules.arn
    input    = local.judgement

    retry_policy {
      maximum_retry_attempts       = 5
      maximum_event_age_in_seconds = 3600
    }
  }
}
