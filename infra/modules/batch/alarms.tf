# What may go wrong with nobody looking.

locals {
  queue_dimensions    = { for key, queue in local.queues : key => { QueueName = queue.name } }
  schedule_dimensions = { ScheduleGroup = var.name }
}

module "alarms" {
  source = "../alarms"

  groups    = { batch = var.name }
  topic_arn = var.alarms.topic_arn

  alarms = { for alarm, definition in {
    backlog-age = {
      severity  = "page", namespace = "AWS/SQS", metric = "ApproximateAgeOfOldestMessage", statistic = "Maximum", dimensions = local.queue_dimensions["work"]
      threshold = var.alarms.age_seconds, period = 300, periods = 1, breaching = 1, missing = "notBreaching"
      reason    = "A file has waited for more than ${var.alarms.age_seconds} s; after ${var.queue.retention_seconds} s it is lost."
      runbook   = "If no task runs, read the starter's log; if tasks run, raise task.max_tasks, or lower task.messages_per_task."
    }
    dead-letters = {
      severity  = "ticket", namespace = "AWS/SQS", metric = "ApproximateNumberOfMessagesVisible", statistic = "Maximum", dimensions = local.queue_dimensions["dead-letters"]
      threshold = 0, period = 300, periods = 1, breaching = 1, missing = "notBreaching"
      reason    = "A file could not be scored in ${var.queue.max_receives} tries."
      runbook   = "The message names it and the tasks' log says why; correct the fault, then start the redrive of the queue ${local.queues["dead-letters"].name}."
    }
    failed-runs = {
      severity  = "ticket", namespace = "AWS/SQS", metric = "ApproximateNumberOfMessagesVisible", statistic = "Maximum", dimensions = local.queue_dimensions["failed-runs"]
      threshold = 0, period = 300, periods = 1, breaching = 1, missing = "notBreaching"
      reason    = "A task ended badly, or a scheduled run could not be started or failed."
      runbook   = "The message in the queue ${local.queues["failed-runs"].name} says which and why; run the interval again with --date, then delete the message."
    }
    starter-errors = {
      severity  = "page", namespace = "AWS/Lambda", metric = "Errors", statistic = "Sum", dimensions = one(module.starter[*].dimensions)
      threshold = 0, period = 60, periods = 5, breaching = 3, missing = "notBreaching"
      reason    = "No task can be started: files wait."
      runbook   = "Read the newest ERROR in the starter's log group: the account's limit of vCPUs, the subnets' addresses, a permission."
    }
    starter-silent = {
      severity  = "page", namespace = "AWS/Lambda", metric = "Invocations", statistic = "Sum", dimensions = one(module.starter[*].dimensions)
      threshold = 1, period = 300, periods = 3, breaching = 3, missing = "breaching"
      reason    = "Nobody has looked at the queue for 15 minutes."
      runbook   = "Look whether the schedule ${local.starter_name} is enabled, and at AWS/Scheduler's metrics of its group."
    }
    schedule-dropped = {
      severity  = "page", namespace = "AWS/Scheduler", metric = "InvocationDroppedCount", statistic = "Sum", dimensions = local.schedule_dimensions
      threshold = 0, period = 300, periods = 3, breaching = 3, missing = "notBreaching"
      reason    = "The scheduler failed to start a run."
      runbook   = "Look at TargetErrorCount of the group and at the role ${var.name}-schedules."
    }
    schedule-unkept = {
      severity  = "page", namespace = "AWS/Scheduler", metric = "InvocationsFailedToBeSentToDeadLetterCount", statistic = "Sum", dimensions = local.schedule_dimensions
      threshold = 0, period = 300, periods = 1, breaching = 1, missing = "notBreaching"
      reason    = "A scheduled run was lost without a trace in the queue of failed runs."
      runbook   = "Check that queue's policy and the role ${var.name}-schedules; run the interval again with --date."
    }
  } : "batch/${alarm}" => definition if local.on_arrival || !startswith(alarm, "starter-") }
}
