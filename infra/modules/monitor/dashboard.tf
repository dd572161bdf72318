# What the dashboard shows of the monitor. Terraform does not know the model's columns, so a search finds them.

locals {
  of_service = ["service", var.name]
  of_alias   = ["FunctionName", var.name, "Resource", "${var.name}:live"]

  drift_widgets = [for horizon in ["day", "week"] : {
    title   = "${var.name}: drift of each ${horizon}, by column", period = 86400
    metrics = [[{ expression = "SEARCH('{StreamConsumer,column,horizon,service} MetricName=\"DriftSize\" service=\"${var.name}\" horizon=\"${horizon}\"', 'Maximum', 86400)" }]]
  }]

  widgets = concat(local.drift_widgets, [
    {
      title = "${var.name}: is everything in a profile?", period = 900
      metrics = [
        ["StreamConsumer", "MonitorRecords", local.of_service, { stat = "Sum", label = "records" }],
        ["StreamConsumer", "MonitorInvalid", local.of_service, { stat = "Sum", label = "invalid" }],
        ["StreamConsumer", "MonitorSkipped", local.of_service, { stat = "Sum", label = "not profiled" }],
        ["StreamConsumer", "MonitorWindowsLost", local.of_service, { stat = "Sum", label = "windows lost", yAxis = "right" }],
      ]
    },
    {
      title = "${var.name}: does it keep up?", period = 300
      metrics = [
        ["AWS/Lambda", "IteratorAge", local.of_alias, { stat = "Maximum", label = "iterator age (ms)" }],
        ["AWS/Lambda", "Duration", local.of_alias, { stat = "Maximum", label = "longest batch (ms)" }],
        ["AWS/Lambda", "Errors", local.of_alias, { stat = "Sum", label = "errors", yAxis = "right" }],
        ["AWS/Lambda", "Throttles", local.of_alias, { stat = "Sum", label = "throttles", yAxis = "right" }],
      ]
    },
  ])
}
