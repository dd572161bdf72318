# A model that is no longer as good as it was registered, and a day that nobody judged.

module "alarms" {
  source = "../alarms"

  groups    = { quality = var.name }
  topic_arn = var.topic_arn

  alarms = { for alarm, definition in {
    rings = {
      severity  = "ticket", namespace = "StreamConsumer", metric = "QualityRings", statistic = "Maximum", dimensions = { service = var.name }
      threshold = 0, period = 86400, periods = 1, breaching = 1, missing = "notBreaching"
      reason    = "A model version's error was more than 1.15 times its registered one on two days in a row: its predictions are worse than promised."
      runbook   = "stream-consumer monitor report says which groups and columns; then train on newer rides, or stream-consumer model rollback."
    }
    failed = {
      severity  = "ticket", namespace = "AWS/Lambda", metric = "Errors", statistic = "Sum", dimensions = module.function.dimensions
      threshold = 0, period = 3600, periods = 1, breaching = 1, missing = "notBreaching"
      reason    = "A day could not be judged, or has no prediction; Lambda tries three times."
      runbook   = "Read the newest ERROR of the log group; correct the fault, then invoke ${var.name}:live with {\"day\": \"yyyy-mm-dd\"}. A day that takes longer than 15 minutes is judged by the command on another machine."
    }
    silent = {
      severity  = "ticket", namespace = "StreamConsumer", metric = "QualityJudged", statistic = "SampleCount", dimensions = { service = var.name }
      threshold = 1, period = 86400, periods = 2, breaching = 2, missing = "breaching"
      reason    = "No day has been judged for two days."
      runbook   = "Look whether the schedule ${var.name} is enabled, at AWS/Scheduler's metrics of its group, and at the alarm failed; then invoke the function with the day."
    }
  } : "quality/${alarm}" => definition }
}
