# Jobs that could not be started, failed or were stopped: a message for each, and an alarm.

resource "aws_sqs_queue" "failed_runs" {
  #checkov:skip=CKV_AWS_27: encrypted with SQS's own key: messages name jobs and hold no ride, and EventBridge needs no leave of a key to send them
  name                      = local.failed_runs
  sqs_managed_sse_enabled   = true
  message_retention_seconds = 1209600
  redrive_allow_policy      = jsonencode({ redrivePermission = "denyAll" })

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "JobsThatEndedBadly"
        Effect    = "Allow"
        Principal = { Service = "events.amazonaws.com" }
        Action    = "sqs:SendMessage"
        Resource  = local.queue_arn
        Condition = {
          ArnEquals    = { "aws:SourceArn" = "${local.arn.events}${local.failed_jobs}" }
          StringEquals = { "aws:SourceAccount" = var.account.id }
        }
      },
      {
        Sid       = "TlsOnly"
        Effect    = "Deny"
        Principal = "*"     # a refusal of everybody
        Action    = "sqs:*" # of everything
        Resource  = local.queue_arn
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      },
    ]
  })
}

# A job that runs into its timeout is stopped, too.
resource "aws_cloudwatch_event_rule" "failed_jobs" {
  name        = local.failed_jobs
  description = "Training jobs of ${var.name} that failed or were stopped"

  event_pattern = jsonencode({
    source      = ["aws.sagemaker"]
    detail-type = ["SageMaker Training Job State Change"]
    detail = {
      TrainingJobName   = [{ prefix = "${var.name}-" }]
      TrainingJobStatus = ["Failed", "Stopped"]
    }
  })
}

resource "aws_cloudwatch_event_target" "failed_jobs" {
  rule = aws_cloudwatch_event_rule.failed_jobs.name
  arn  = aws_sqs_queue.failed_runs.arn
}

module "alarms" {
  source = "../alarms"

  groups    = { training = var.name }
  topic_arn = var.topic_arn

  alarms = { for alarm, definition in {
    failed-runs = {
      severity  = "ticket", namespace = "AWS/SQS", metric = "ApproximateNumberOfMessagesVisible", dimensions = { QueueName = local.failed_runs }
      threshold = 0, periods = 1, breaching = 1
      reason    = "A training job could not be started, failed or was stopped. A model that is not better than the champion does not count."
      runbook   = "The message in the queue ${local.failed_runs} names the job and its FailureReason; correct the fault, let the schedule's next run train, then delete the message."
    }
    schedule-dropped = {
      severity  = "page", namespace = "AWS/Scheduler", metric = "InvocationDroppedCount", dimensions = { ScheduleGroup = var.name }
      threshold = 0, periods = 3, breaching = 1
      reason    = "The scheduler gave up starting a training job."
      runbook   = "The message in the queue ${local.failed_runs} says why: a quota of ${var.job.instance_type}, the image, the role ${var.name}-schedules."
    }
    schedule-unkept = {
      severity  = "page", namespace = "AWS/Scheduler", metric = "InvocationsFailedToBeSentToDeadLetterCount", dimensions = { ScheduleGroup = var.name }
      threshold = 0, periods = 1, breaching = 1
      reason    = "A training that was not started left no trace in the queue of failed runs."
      runbook   = "Check that queue's policy and the role ${var.name}-schedules; the schedule's next run trains on the same rides and newer ones."
    }
  } : "training/${alarm}" => merge(definition, { statistic = startswith(alarm, "schedule-") ? "Sum" : "Maximum", period = 300, missing = "notBreaching" }) }
}
