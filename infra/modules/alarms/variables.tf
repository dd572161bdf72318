variable "groups" {
  description = "First part of the alarms' names, by the key of a group."
  type        = map(string)
}

variable "alarms" {
  description = "The alarms, by <group>/<alarm>. Each has a reason and a runbook (the first thing to do). Both are in its mail, and the README's table is made from them."
  type = map(object({
    severity   = string # page: events are late or lost now; ticket: somebody should look today
    namespace  = optional(string)
    metric     = optional(string)
    statistic  = optional(string) # Sum, Maximum, … or a percentile such as p99
    dimensions = optional(map(string))
    expression = optional(string) # instead of one metric: metric math over the metrics of `over`
    over = optional(map(object({
      namespace  = string
      metric     = string
      statistic  = string
      dimensions = map(string)
    })), {})
    threshold = number # more than this is wrong; where silence is, less than this
    period    = number # seconds
    periods   = number # the last so many are looked at
    breaching = number # and so many of them must be wrong
    missing   = string # notBreaching, or breaching where silence is wrong
    reason    = string
    runbook   = string
  }))

  validation {
    condition     = alltrue([for key in keys(var.alarms) : contains(keys(var.groups), split("/", key)[0]) && length(split("/", key)) == 2])
    error_message = "An alarm's key is <group>/<alarm>, with a group of groups."
  }

  validation {
    condition     = alltrue([for alarm in values(var.alarms) : alarm.expression == null ? alarm.metric != null && length(alarm.over) == 0 : alarm.metric == null && length(alarm.over) > 0])
    error_message = "An alarm watches either a metric, or an expression over one metric or more."
  }

  validation {
    condition     = alltrue([for group in keys(var.groups) : anytrue([for key in keys(var.alarms) : startswith(key, "${group}/")])])
    error_message = "Each group has an alarm: there is nothing to tell of it otherwise."
  }

  validation {
    condition     = alltrue([for alarm in values(var.alarms) : contains(["page", "ticket"], alarm.severity)])
    error_message = "An alarm's severity is page or ticket: nobody would be told of it otherwise."
  }
}

variable "topic_arn" {
  description = "Receivers of alarms."
  type        = string
}
