# Alarms that tell nobody, and for each group of them a mail about late or lost now (page) and one about today (ticket).

locals {
  severities = {
    page   = "Events are late or lost now"
    ticket = "Somebody should look today"
  }

  composites = merge([for group, name in var.groups : {
    for severity in keys(local.severities) : "${group}/${severity}" => {
      name     = "${name}-${severity}"
      severity = severity
      symptoms = [for key, alarm in var.alarms : key if startswith(key, "${group}/") && alarm.severity == severity]
    } if contains([for key, alarm in var.alarms : alarm.severity if startswith(key, "${group}/")], severity)
  }]...)
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each = var.alarms

  alarm_name          = "${var.groups[split("/", each.key)[0]]}-${split("/", each.key)[1]}"
  alarm_description   = "${each.value.reason} → ${each.value.runbook}"
  namespace           = each.value.namespace
  metric_name         = each.value.metric
  dimensions          = each.value.dimensions
  statistic           = try(startswith(each.value.statistic, "p"), true) ? null : each.value.statistic
  extended_statistic  = try(startswith(each.value.statistic, "p"), false) ? each.value.statistic : null
  comparison_operator = each.value.missing == "breaching" ? "LessThanThreshold" : "GreaterThanThreshold"
  threshold           = each.value.threshold
  period              = each.value.expression == null ? each.value.period : null
  evaluation_periods  = each.value.periods
  datapoints_to_alarm = each.value.breaching
  treat_missing_data  = each.value.missing

  lifecycle {
    # CloudWatch refuses to delete an alarm that a composite alarm names, so the composite forgets it first.
    create_before_destroy = true
  }

  dynamic "metric_query" {
    for_each = each.value.expression[*]

    content {
      id          = "expression"
      expression  = metric_query.value
      label       = split("/", each.key)[1]
      return_data = true
    }
  }

  dynamic "metric_query" {
    for_each = each.value.over

    content {
      id = metric_query.key

      metric {
        namespace   = metric_query.value.namespace
        metric_name = metric_query.value.metric
        dimensions  = metric_query.value.dimensions
        stat        = metric_query.value.statistic
        period      = each.value.period
      }
    }
  }
}

# One mail for an incident, not one for each of its symptoms.
resource "aws_cloudwatch_composite_alarm" "this" {
  for_each = local.composites

  alarm_name        = each.value.name
  alarm_description = "${local.severities[each.value.severity]}; the alarms in state ALARM say what and what to do."
  alarm_actions     = [var.topic_arn]
  ok_actions        = [var.topic_arn]
  alarm_rule        = join(" OR ", [for key in each.value.symptoms : "ALARM(\"${aws_cloudwatch_metric_alarm.this[key].alarm_name}\")"])
}
