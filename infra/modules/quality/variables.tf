variable "name" {
  description = "Name of the function, its schedule and its role; the dimension `service` of its metrics."
  type        = string

  validation {
    condition     = can(regex("^[a-zA-Z0-9_-]{1,54}$", var.name))
    error_message = "The name is 1 to 54 letters, digits, hyphens and underscores: the role of the schedule has ten more."
  }
}

variable "account" {
  description = "The account that the function runs in, from which ARNs are made."
  type = object({
    id        = string                  # twelve digits
    region    = string                  # e.g. eu-west-1
    partition = optional(string, "aws") # aws, aws-cn or aws-us-gov
  })
}

variable "kms_key_arn" {
  description = "Key that encrypts the log group."
  type        = string
}

variable "image_uri" {
  description = "The image with the command line (`make image DOORS=1`), by digest."
  type        = string
}

variable "architecture" {
  description = "What the image was built for: arm64 or x86_64."
  type        = string
  default     = "arm64"
}

variable "roles" {
  description = "What an organisation asks of every role; modules/function says what it may be."
  type = object({
    path                 = optional(string, "/")
    permissions_boundary = optional(string)
  })
  default = {}
}

variable "vpc" {
  description = "Subnets and security groups of yours that the function runs in; modules/function says what it may be."
  type        = any
  default     = null
}

variable "bucket" {
  description = "Where archives and results are: a bucket with a bucket key, as modules/bucket makes."
  type = object({
    name        = string
    arn         = string
    kms_key_arn = string
  })
}

variable "archives" {
  description = "Prefixes of the bucket with the archives of the predictions, the outcomes and, for groups, the events."
  type = object({
    predictions = string
    outcomes    = string
    events      = optional(string)
  })

  validation {
    condition     = alltrue([for prefix in values(var.archives) : prefix == null || can(regex("^[^/*?].*[^/]$", prefix)) && !can(regex("[*?]", prefix))])
    error_message = "A prefix of archives begins and ends without a slash, such as predictions/rides, and has no wildcard."
  }
}

variable "results" {
  description = "Prefix of the bucket that keeps a result for each day."
  type        = string
}

variable "group" {
  description = "Column of the events whose values are the groups, such as PULocationID; null: none."
  type        = string
  default     = null

  validation {
    condition     = var.group == null || var.archives.events != null
    error_message = "Groups come from the archive of the input stream: set archives.events."
  }
}

variable "wait" {
  description = "How long after the day an outcome is in time, in whole hours."
  type        = string
  default     = "24h"
  nullable    = false

  validation {
    condition     = can(regex("^[0-9]+[hd]$", var.wait))
    error_message = "wait is a number of hours or days, such as 24h."
  }
}

variable "champion" {
  description = "The file champion.json with the errors that model versions were registered with; null: `registered` has them."
  type = object({
    uri         = string           # s3://bucket/…/champion.json
    kms_key_arn = optional(string) # key of its bucket
  })
  default = null

  validation {
    condition     = var.champion == null || can(regex("^s3://[^/]+/.+[.]json$", var.champion.uri))
    error_message = "champion.uri is s3://bucket/…/champion.json."
  }
}

variable "registered" {
  description = "The error that any model version is compared with, where there is no champion.json."
  type = object({
    rmse     = optional(number)
    accuracy = optional(number) # of labels
  })
  default = {}

  validation {
    condition     = (var.champion != null) != (var.registered.rmse != null || var.registered.accuracy != null)
    error_message = "Without an error to compare with nothing can ring: name a champion, or else registered.rmse or registered.accuracy."
  }
}

variable "schedule" {
  description = "When a day is judged: once a day, after `wait` and the quarter of an hour that an archive may take."
  type = object({
    expression = optional(string, "cron(30 1 * * ? *)")
    timezone   = optional(string, "UTC")
  })
  default = {}
}

variable "function" {
  description = "Size of the function; modules/function says what it may be."
  type = object({
    memory_mb          = optional(number)
    timeout_seconds    = optional(number)
    scratch_mb         = optional(number) # 600 bytes for each prediction, its outcome and its event
    log_retention_days = optional(number)
  })
  default = {}
}

variable "environment" {
  description = "More settings of the command, such as ID_FIELD."
  type        = map(string)
  default     = {}
}

variable "topic_arn" {
  description = "Who is told of alarms."
  type        = string
}
