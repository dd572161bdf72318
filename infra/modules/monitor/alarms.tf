# The monitor's alarms. None of them pages: no event is late or lost where the monitor fails, and drift is for the day.

locals {
  service = { service = var.name }

  drift = { for horizon, name in { day = "on the last judged day", week = "in the last judged week" } : "drift-${horizon}" => {
    # A judgement counts until the next one: 25 hours, so that the alarm does not go in between.
    namespace = "StreamConsumer", metric = "DriftRings", statistic = "Maximum", dimensions = merge(local.service, { horizon = horizon })
    threshold = 0, period = 3600, periods = 25, breaching = 1, missing = "notBreaching"
    reason    = "The inputs or predictions of the model ${name} differ from its training data."
    runbook   = "The newest \"these columns drift\" in the log group /aws/lambda/${var.name} names the columns: ask who makes them, look at stream-consumer monitor report, and train again if the world has changed."
  } }

  alarms = merge(local.drift, {
    unjudged = {
      namespace = "StreamConsumer", metric = "MonitorWindows", statistic = "SampleCount", dimensions = merge(local.service, { horizon = "day" })
      threshold = 1, period = 3600, periods = 26, breaching = 26, missing = "breaching"
      reason    = "No day has been judged for 26 hours, so drift is not reported."
      runbook   = "No fault before the first judgement. Else look at the newest ERROR in the log group /aws/lambda/${var.name} and at the schedule ${var.name}-judgement; then invoke the function with {\"judge\": \"<date>\"} for each day that is missing."
    }
    windows-lost = {
      namespace = "StreamConsumer", metric = "MonitorWindowsLost", statistic = "Sum", dimensions = local.service
      threshold = 0, period = 3600, periods = 1, breaching = 1, missing = "notBreaching"
      reason    = "Windows are in no profile, or not wholly."
      runbook   = "After a deployment of another model this is normal for one window of each shard; otherwise \"window lost\" in the log group says why S3 took no profile."
    }
    no-profiles = {
      expression = "IF(incoming > 0 AND incoming * 0 + FILL(windows, 0) < 1, 1, 0)"
      over = {
        incoming = { namespace = "AWS/Kinesis", metric = "IncomingRecords", statistic = "Sum", dimensions = { StreamName = var.input_stream.name } }
        windows  = { namespace = "StreamConsumer", metric = "MonitorRecords", statistic = "SampleCount", dimensions = local.service }
      }
      threshold = 0, period = 3600, periods = 2, breaching = 2, missing = "notBreaching"
      reason    = "Records came onto the stream for two hours, and no window was closed: the monitor sees nothing."
      runbook   = "Look at the mapping's State and LastProcessingResult (aws lambda get-event-source-mapping), and at the newest ERROR in the log group: enable it, or correct the fault that it names. The consumers are not affected."
    }
    errors = {
      namespace = "AWS/Lambda", metric = "Errors", statistic = "Sum", dimensions = module.function.dimensions
      threshold = min(var.mapping.maximum_retry_attempts, 2), period = 900, periods = 1, breaching = 1, missing = "notBreaching"
      reason    = "The monitor failed three times in a row: records are in no profile, or a day is not judged."
      runbook   = "Read the newest ERROR in the log group: a model without a reference profile (train or sign it again), a permission, the timeout. The consumers are not affected."
    }
    iterator-age = {
      namespace = "AWS/Lambda", metric = "IteratorAge", statistic = "Maximum", dimensions = module.function.dimensions
      threshold = floor(var.mapping.maximum_record_age_seconds / 2) * 1000, period = 300, periods = 3, breaching = 3, missing = "notBreaching"
      reason    = "The monitor is behind by half of the ${var.mapping.maximum_record_age_seconds} s after which records are given up, and then are in no profile."
      runbook   = "Raise function.memory_mb, or the shards; if Throttles rose too, function.reserved_concurrency."
    }
    given-up = {
      namespace = "AWS/Lambda", metric = "DroppedEventCount", statistic = "Sum", dimensions = { EventSourceMappingUUID = aws_lambda_event_source_mapping.this.uuid }
      threshold = 0, period = 3600, periods = 1, breaching = 1, missing = "notBreaching"
      reason    = "Records were given up after their retries or their age, and are in no profile. The consumers have them."
      runbook   = "Follow the alarms errors and iterator-age; the profiles of those hours stay incomplete."
    }
  })

  told = { for name, alarm in local.alarms : "monitor/${name}" => merge(alarm, { severity = "ticket" }) if name != "unjudged" || var.judgement.enabled }
}

module "alarms" {
  source = "../alarms"

  groups    = { monitor = var.name }
  alarms    = local.told
  topic_arn = var.topic_arn
}
