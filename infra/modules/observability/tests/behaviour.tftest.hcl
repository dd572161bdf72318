mock_provider "aws" {
  mock_resource "aws_sns_topic" {
    defaults = { arn = "arn:aws:sns:eu-west-1:123456789012:sc-alarms" }
  }
}

variables {
  name         = "sc-test"
  account      = { id = "123456789012", region = "eu-west-1" }
  kms_key_arn  = "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  input_stream = { name = "ride_events", shards = 4, mode = "PROVISIONED" }
  emails       = ["on-call@example.com"]
  consumers = {
    rides = {
      function_name              = "sc-test-rides"
      alias                      = "live"
      mapping_id                 = "11111111-2222-3333-4444-555555555555"
      output_stream_name         = "ride_predictions"
      memory_mb                  = 1769
      timeout_seconds            = 60
      maximum_record_age_seconds = 86400
    }
    quiet = {
      function_name              = "sc-test-quiet"
      alias                      = "live"
      mapping_id                 = "66666666-2222-3333-4444-555555555555"
      output_stream_name         = "quiet_predictions"
      memory_mb                  = 512
      timeout_seconds            = 30
      maximum_record_age_seconds = 86400
      window_seconds             = 270
      filtered                   = true
      alarms                     = { no_data_minutes = 0 }
    }
  }
}

run "alarms_watch_the_dimensions_that_aws_and_the_handler_report" {
  assert {
    condition = { for key, watched in module.alarms.watched : key => watched if startswith(key, "rides/") } == {
      "rides/iterator-age"         = "AWS/Lambda IteratorAge {\"FunctionName\":\"sc-test-rides\",\"Resource\":\"sc-test-rides:live\"}"
      "rides/errors"               = "AWS/Lambda Errors {\"FunctionName\":\"sc-test-rides\",\"Resource\":\"sc-test-rides:live\"}"
      "rides/throttles"            = "AWS/Lambda Throttles {\"FunctionName\":\"sc-test-rides\",\"Resource\":\"sc-test-rides:live\"}"
      "rides/duration"             = "AWS/Lambda Duration {\"FunctionName\":\"sc-test-rides\",\"Resource\":\"sc-test-rides:live\"}"
      "rides/dead-letters"         = "StreamConsumer DeadLetters {\"service\":\"sc-test-rides\"}"
      "rides/on-failure"           = "AWS/Lambda OnFailureDestinationDeliveredEventCount {\"EventSourceMappingUUID\":\"11111111-2222-3333-4444-555555555555\"}"
      "rides/dropped"              = "AWS/Lambda DroppedEventCount {\"EventSourceMappingUUID\":\"11111111-2222-3333-4444-555555555555\"}"
      "rides/destination-failures" = "AWS/Lambda DestinationDeliveryFailures {\"FunctionName\":\"sc-test-rides\"}"
      "rides/output-throttled"     = "AWS/Kinesis WriteProvisionedThroughputExceeded {\"StreamName\":\"ride_predictions\"}"
      "rides/stalled"              = "AWS/Kinesis IncomingRecords {\"StreamName\":\"ride_events\"}, StreamConsumer RecordsReceived {\"service\":\"sc-test-rides\"}"
      "rides/no-data"              = "StreamConsumer RecordsReceived {\"service\":\"sc-test-rides\"}"
    }
    error_message = "An alarm on a dimension that nobody reports is silent forever."
  }
}

run "silence_alarms_only_where_it_is_odd" {
  assert {
    condition     = local.alarms["rides/no-data"].missing == "breaching" && local.alarms["rides/no-data"].period == 3600
    error_message = "No metric at all is no data."
  }

  assert {
    condition     = !contains(keys(local.alarms), "quiet/no-data")
    error_message = "no_data_minutes = 0 means never."
  }
}

run "a_stalled_mapping_pages_within_five_minutes" {
  assert {
    condition     = { for key, alarm in local.alarms : key => [alarm.severity, alarm.period, alarm.periods, alarm.breaching] if endswith(key, "/stalled") } == { "rides/stalled" = ["page", 60, 5, 5], "quiet/stalled" = ["page", 60, 9, 9] }
    error_message = "Every consumer pages after 5 minutes, and as many more as a batch may wait to be filled."
  }

  assert {
    condition     = module.alarms.watched["quiet/stalled"] == "AWS/Kinesis IncomingRecords {\"StreamName\":\"ride_events\"}, AWS/Lambda PolledEventCount {\"EventSourceMappingUUID\":\"66666666-2222-3333-4444-555555555555\"}"
    error_message = "Filters may drop all records before the function receives one."
  }
}

run "thresholds_follow_the_function" {
  assert {
    condition     = local.alarms["rides/duration"].threshold == 48000 && local.alarms["quiet/duration"].threshold == 24000
    error_message = "Duration alarms at 80 % of the timeout, in milliseconds."
  }

  assert {
    condition     = local.alarms["rides/iterator-age"].threshold == 300000
    error_message = "Iterator age alarms at 300 s, in milliseconds."
  }
}

run "each_consumer_has_its_own_mails" {
  assert {
    condition     = toset(module.alarms.composite_alarms) == toset(["sc-test-quiet-page", "sc-test-quiet-ticket", "sc-test-rides-page", "sc-test-rides-ticket"])
    error_message = "One composite alarm for what is urgent, one for what is not."
  }
}

run "the_dashboard_answers_four_questions_and_profiles_the_function_for_each_consumer" {
  assert {
    condition = [for widget in jsondecode(aws_cloudwatch_dashboard.this.dashboard_body).widgets : widget.properties.title] == flatten([for name in ["sc-test-quiet", "sc-test-rides"] : [
      "${name}: are we keeping up?", "${name}: are we losing?", "${name}: what does it cost ($/hour)?", "${name}: is the model sane?",
      "${name}: where does the time go?", "${name}: how large are batches?", "${name}: how much memory (MB)?", "${name}: cold starts",
    ]])
    error_message = "Two rows of four widgets for each consumer."
  }

  assert {
    condition     = length(distinct([for widget in jsondecode(aws_cloudwatch_dashboard.this.dashboard_body).widgets : "${widget.x} ${widget.y}"])) == 16
    error_message = "No widget lies on another."
  }

  assert {
    condition     = jsondecode(aws_cloudwatch_dashboard.this.dashboard_body).widgets[11].properties.metrics[0] == ["StreamConsumer", "PredictionMean", "service", "sc-test-rides", { stat = "Average", label = "mean prediction (min)" }]
    error_message = "A metric is written as CloudWatch reads it."
  }

  assert {
    condition     = jsondecode(aws_cloudwatch_dashboard.this.dashboard_body).widgets[10].properties.metrics[4][0].expression == "bytes*0+0.06"
    error_message = "Four shards cost $0.06 an hour."
  }

  assert {
    condition = { for key, value in jsondecode(aws_cloudwatch_dashboard.this.dashboard_body).widgets[14] : key => value if contains(["type", "properties"], key) } == {
      type = "log"
      properties = {
        title  = "sc-test-rides: how much memory (MB)?"
        region = "eu-west-1"
        view   = "timeSeries"
        query  = "SOURCE '/aws/lambda/sc-test-rides' | filter @type = \"REPORT\"\n| stats max(@maxMemoryUsed / 1000 / 1000) as used_mb, max(@memorySize / 1000 / 1000) as size_mb by bin(1h)"
      }
    }
    error_message = "What Lambda says of memory is in the log alone."
  }
}

run "each_question_has_a_saved_query_over_all_consumers" {
  assert {
    condition     = keys(aws_cloudwatch_query_definition.this) == ["batch-sizes", "canary", "challenger", "cold-starts", "dead-letter-reasons", "dead-letters", "errors-by-version", "memory", "models", "redeliveries", "slow-batches", "slow-invocations"]
    error_message = "A file of queries/ is a saved query."
  }

  assert {
    condition     = aws_cloudwatch_query_definition.this["canary"].name == "sc-test/canary" && aws_cloudwatch_query_definition.this["canary"].log_group_names == tolist(["/aws/lambda/sc-test-quiet", "/aws/lambda/sc-test-rides"])
    error_message = "They lie in a folder of the environment, and ask every consumer."
  }
}
