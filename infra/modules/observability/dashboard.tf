# Two rows of four widgets for each consumer. The first has four questions: are we keeping up, are we losing, what does it cost, is the
# model sane. The second is the profile of the function: where a batch's time goes, batch sizes, memory, cold starts.

locals {
  # Prices of us-east-1, November 2026: an order of magnitude, not a bill. docs/capacity.md has the sources.
  price = {
    lambda_request   = 0.0000002
    lambda_gb_second = 0.0000133334 # arm64
    shard_hour       = 0.015
    on_demand_gb_in  = 0.08
    on_demand_hour   = 0.04
  }

  # Dollars an hour of the input stream, from its incoming bytes of the hour.
  stream_cost = (var.input_stream.mode == "PROVISIONED"
    ? "bytes*0+${var.input_stream.shards * local.price.shard_hour}"
    : "bytes/1000000000*${local.price.on_demand_gb_in}+${local.price.on_demand_hour}"
  )

  rows = [for row, key in keys(var.consumers) : {
    consumer = var.consumers[key]
    y        = 14 * row
    alias    = flatten([for name, value in local.alias_dimensions[key] : [name, value]])
    service  = flatten([for name, value in local.service_dimensions[key] : [name, value]])
    mapping  = flatten([for name, value in local.mapping_dimensions[key] : [name, value]])
    log      = "/aws/lambda/${var.consumers[key].function_name}"
  }]

  # Below the consumers' rows, four in a row.
  more_widgets = [for at, widget in var.widgets : merge(widget, { x = at % 4 * 6, y = 7 * (length(local.rows) + floor(at / 4)) })]

  widgets = flatten([for row in local.rows : [
    {
      x = 0, y = row.y, title = "${row.consumer.function_name}: are we keeping up?", period = 60
      metrics = [
        ["AWS/Lambda", "IteratorAge", row.alias, { stat = "Maximum", label = "iterator age (ms)" }],
        ["AWS/Lambda", "Duration", row.alias, { stat = "Maximum", label = "longest batch (ms)" }],
        ["AWS/Lambda", "ConcurrentExecutions", row.alias, { stat = "Maximum", label = "concurrency", yAxis = "right" }],
        ["StreamConsumer", "RecordsReceived", row.service, { stat = "Sum", label = "records", yAxis = "right" }],
        ["StreamConsumer", "ModelTime", row.service, { stat = "p95", label = "model p95 (ms)" }],
        ["StreamConsumer", "PublishTime", row.service, { stat = "p95", label = "publish p95 (ms)" }],
      ]
    },
    {
      x = 6, y = row.y, title = "${row.consumer.function_name}: are we losing?", period = 60
      metrics = concat(
        [for reason in ["Undecodable", "Schema", "Bounds", "Unscorable"] :
          ["StreamConsumer", "DeadLetters${reason}", row.service, { stat = "Sum", label = "dead letters: ${lower(reason)}" }]
        ],
        [
          ["StreamConsumer", "RecordsUnsettled", row.service, { stat = "Sum", label = "come again" }],
          ["StreamConsumer", "EntriesResent", row.service, { stat = "Sum", label = "resent" }],
          ["AWS/Lambda", "Errors", row.alias, { stat = "Sum", label = "errors" }],
          ["AWS/Lambda", "Throttles", row.alias, { stat = "Sum", label = "throttles" }],
          ["AWS/Lambda", "OnFailureDestinationDeliveredEventCount", row.mapping, { stat = "Sum", label = "given up, kept" }],
          ["AWS/Lambda", "DroppedEventCount", row.mapping, { stat = "Sum", label = "dropped" }],
        ],
      )
    },
    {
      x = 12, y = row.y, title = "${row.consumer.function_name}: what does it cost ($/hour)?", period = 3600
      metrics = [
        ["AWS/Lambda", "Invocations", row.alias, { stat = "Sum", id = "calls", visible = false }],
        ["AWS/Lambda", "Duration", row.alias, { stat = "Sum", id = "ms", visible = false }],
        ["AWS/Kinesis", "IncomingBytes", ["StreamName", var.input_stream.name], { stat = "Sum", id = "bytes", visible = false }],
        [{ expression = "calls*${local.price.lambda_request}+ms/1000*${row.consumer.memory_mb / 1024 * local.price.lambda_gb_second}", label = "function" }],
        [{ expression = local.stream_cost, label = "input stream (shared)" }],
      ]
    },
    {
      x = 18, y = row.y, title = "${row.consumer.function_name}: is the model sane?", period = 300
      metrics = [
        ["StreamConsumer", "PredictionMean", row.service, { stat = "Average", label = "mean prediction (min)" }],
        ["StreamConsumer", "PredictionP95", row.service, { stat = "Average", label = "p95 prediction (min)" }],
        ["StreamConsumer", "UnseenZones", row.service, { stat = "Sum", label = "unseen zones", yAxis = "right" }],
      ]
    },
    {
      x = 0, y = row.y + 7, title = "${row.consumer.function_name}: where does the time go?", period = 60
      metrics = concat(
        [for stat in ["p50", "p95", "Maximum"] : ["AWS/Lambda", "Duration", row.alias, { stat = stat, label = "invocation ${lower(stat)} (ms)" }]],
        [for metric, label in { ModelTime = "model", PublishTime = "publish", DeadLetterTime = "dead letters" } :
          ["StreamConsumer", metric, row.service, { stat = "Maximum", label = "${label} maximum (ms)" }]
        ],
      )
    },
    {
      x = 6, y = row.y + 7, title = "${row.consumer.function_name}: how large are batches?", period = 60
      metrics = concat(
        [for stat in ["Average", "Maximum"] : ["StreamConsumer", "RecordsReceived", row.service, { stat = stat, label = "records of a batch, ${lower(stat)}" }]],
        [["StreamConsumer", "OldestRecordAge", row.service, { stat = "Maximum", label = "oldest record (ms)", yAxis = "right" }]],
      )
    },
    { x = 12, y = row.y + 7, title = "${row.consumer.function_name}: how much memory (MB)?", log = row.log, query = local.widget_queries["memory"] },
    { x = 18, y = row.y + 7, title = "${row.consumer.function_name}: cold starts", log = row.log, query = local.widget_queries["cold-starts"] },
  ]])
}

resource "aws_cloudwatch_dashboard" "this" {
  dashboard_name = var.name

  dashboard_body = jsonencode({
    widgets = [for widget in concat(local.widgets, local.more_widgets) : {
      type   = contains(keys(widget), "query") ? "log" : "metric"
      x      = widget.x
      y      = widget.y
      width  = 6
      height = 7
      properties = merge(
        { title = widget.title, region = var.account.region, view = "timeSeries" },
        # CloudWatch wants [namespace, metric, dimension, value, …, {options}].
        try({ period = widget.period, metrics = [for metric in widget.metrics : flatten(metric)] }, {}),
        try({ query = "SOURCE '${widget.log}' | ${widget.query}" }, {}),
      )
    }]
  })
}
