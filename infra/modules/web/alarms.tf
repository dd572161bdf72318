# What callers notice, and what will make them.

locals {
  endpoint_metrics = (local.by_url
    ? { namespace = "AWS/Lambda", failures = "Url5xxCount", latency = "UrlRequestLatency", dimensions = module.function.dimensions }
    : { namespace = "AWS/ApiGateway", failures = "5xx", latency = "Latency", dimensions = { ApiId = one(aws_apigatewayv2_api.this[*].id), Stage = "$default" } }
  )
}

module "alarms" {
  source = "../alarms"

  groups    = { web = var.name }
  topic_arn = var.alarms.topic_arn

  alarms = { for alarm, definition in {
    server-errors = {
      severity  = "page", namespace = local.endpoint_metrics.namespace, metric = local.endpoint_metrics.failures, statistic = "Sum", dimensions = local.endpoint_metrics.dimensions
      threshold = 0, period = 60, periods = 5, breaching = 3, missing = "notBreaching"
      reason    = "Callers are answered with 5xx: the fault is in the service, not in the requests."
      runbook   = "Read the newest ERROR in the log group; after a deployment, set release to the version before."
    }
    errors = {
      severity  = "page", namespace = "AWS/Lambda", metric = "Errors", statistic = "Sum", dimensions = module.function.dimensions
      threshold = 0, period = 60, periods = 5, breaching = 3, missing = "notBreaching"
      reason    = "The function does not start, or runs out of time or memory."
      runbook   = "Read the newest ERROR in the log group; after a deployment, set release to the version before."
    }
    throttles = {
      severity  = "page", namespace = "AWS/Lambda", metric = "Throttles", statistic = "Sum", dimensions = module.function.dimensions
      threshold = 0, period = 60, periods = 5, breaching = 3, missing = "notBreaching"
      reason    = "More requests come at once than function.reserved_concurrency (${var.function.reserved_concurrency}) allows; further requests are refused."
      runbook   = "Find the callers with most requests; raise function.reserved_concurrency."
    }
    latency = {
      severity  = "ticket", namespace = local.endpoint_metrics.namespace, metric = local.endpoint_metrics.latency, statistic = "p99", dimensions = local.endpoint_metrics.dimensions
      threshold = var.alarms.latency_ms, period = 300, periods = 3, breaching = 3, missing = "notBreaching"
      reason    = "One request in a hundred takes longer than ${var.alarms.latency_ms} ms."
      runbook   = "If these are first requests after a pause, set function.snap_start or provisioned_concurrency; else raise function.memory_mb."
    }
    duration = {
      severity  = "ticket", namespace = "AWS/Lambda", metric = "Duration", statistic = "p99", dimensions = module.function.dimensions
      threshold = floor(var.function.timeout_seconds * 1000 * var.alarms.duration_share), period = 300, periods = 3, breaching = 2, missing = "notBreaching"
      reason    = "Requests come near the timeout of ${var.function.timeout_seconds} s, after which they fail."
      runbook   = "Limit the size of a request, or raise function.memory_mb or timeout_seconds."
    }
  } : "web/${alarm}" => definition }
}
