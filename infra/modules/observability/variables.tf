variable "name" {
  description = "Name of the topic and the dashboard."
  type        = string

  validation {
    condition     = can(regex("^[a-zA-Z0-9_-]{1,240}$", var.name))
    error_message = "The name is letters, digits, hyphens and underscores."
  }
}

variable "account" {
  description = "The watched account."
  type = object({
    id        = string                  # twelve digits
    region    = string                  # e.g. eu-west-1
    partition = optional(string, "aws") # aws, aws-cn or aws-us-gov
  })
}

variable "kms_key_arn" {
  description = "Key that encrypts the topic. Its policy must allow CloudWatch."
  type        = string
}

variable "emails" {
  description = "E-mail addresses to tell. Each must confirm once."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for email in var.emails : can(regex("^[^@ ]+@[^@ ]+$", email))])
    error_message = "An element of emails is not an e-mail address."
  }
}

variable "input_stream" {
  description = "The input stream of all consumers."
  type = object({
    name   = string
    shards = number
    mode   = optional(string, "ON_DEMAND")
  })
}

variable "consumers" {
  description = "Facts to watch, by consumer."
  type = map(object({
    function_name              = string
    alias                      = string
    mapping_id                 = string
    output_stream_name         = string
    memory_mb                  = number
    timeout_seconds            = number
    maximum_record_age_seconds = number
    window_seconds             = optional(number, 1)   # how long a batch may wait to be filled
    filtered                   = optional(bool, false) # whether the mapping may drop all records by its filters
    alarms = optional(object({
      iterator_age_seconds = optional(number, 300) # how far behind is too far
      duration_share       = optional(number, 0.8) # of the timeout
      dead_letters         = optional(number, 0)   # tolerated in five minutes
      no_data_minutes      = optional(number, 60)  # silence that is odd; 0: never
    }), {})
  }))

  validation {
    condition     = alltrue([for c in values(var.consumers) : c.alarms.iterator_age_seconds >= 1 && c.alarms.iterator_age_seconds < c.maximum_record_age_seconds])
    error_message = "An alarm that comes when records are already given up is too late: set alarms.iterator_age_seconds below mapping.maximum_record_age_seconds."
  }

  validation {
    condition     = alltrue([for c in values(var.consumers) : c.alarms.duration_share > 0 && c.alarms.duration_share < 1])
    error_message = "alarms.duration_share is a share of the timeout, between 0 and 1: no batch lasts longer than the timeout."
  }

  validation {
    condition     = alltrue([for c in values(var.consumers) : c.alarms.dead_letters >= 0])
    error_message = "alarms.dead_letters is 0 or more."
  }

  validation {
    condition     = alltrue([for c in values(var.consumers) : contains([0, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440], c.alarms.no_data_minutes)])
    error_message = "alarms.no_data_minutes is 0 (never), 5, 10, 15, 30, 60, 120, 180, 360, 720 or 1440."
  }
}

variable "widgets" {
  description = "Widgets of the dashboard below the consumers: title, period, and metrics in the form of CloudWatch, with a list of name and value as a dimension."
  type        = any
  default     = []
}
