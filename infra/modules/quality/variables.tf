variable "name" {
  description = "Name of the function, its schedule and its role; the dimension `service` of its metrics."
  type        = string

  validation {
    condition     = can(regex("^[a-zA-Z0-9_-]{1,54}$", var.name))
    error_message = "The name is 1 to 54 letters, digits, hyphens and underscores: the role of the schedule has ten more."
  }
}

variable "account" {
  description = "Account of the function, for ARNs."
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
  description = "Architecture of the image: arm64 or x86_64."
  type        = string
  default     = "arm64"
}

variable "roles" {
  description = "Your organisation's rules for every role. Attributes: modules/function."
  type = object({
    path                 = optional(string, "/")
    permissions_boundary = optional(string)
  })
  default = {}
}

variable "vpc" {
  description = "Your subnets and security groups for the function. Attributes: modules/function."
  type        = any
  default     = null
}

variable "bucket" {
  description = "Bucket of archives and results, with a bucket key, as modules/bucket makes."
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
  description = "Prefix of the bucket for the results, a file for each day."
  type        = string
}

variable "group" {
  description = "Column of the events with the groups, such as PULocationID; null: none."
  type        = string
  default     = null

  validation {
    condition     = var.group == null || var.archives.events != null
    error_message = "Groups come from the archive of the input stream: set archives.events."
  }
}

variable "wait" {
  description = "Hours after the day in which an outcome is in time."
  type        = string
  default     = "24h"
  nullable    = false

  validation {
    condition     = can(regex("^[0-9]+[hd]$", var.wait))
    error_message = "wait is a number of hours or days, such as 24h."
  }
}

variable "champion" {
  description = "The file champion.json with the registered errors of model versions. null: use `registered`."
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
  description = "Error to compare any model version with, if there is no champion.json."
  type = object({
    rmse     = optional(number)
    accuracy = optional(number) # of labels
  })
  default = {}

  validation {
    condition     = (var.champion != null) != (var.registered.rmse != null || var.registered.accuracy != null)
    error_message = "Nothing can ring without an error to compare with: set a champion, or else registered.rmse or registered.accuracy."
  }
}

variable "schedule" {
  description = "Time of the judgement of a day: once a day, after `wait` and the quarter of an hour that an archive may take."
  type = object({
    expression = optional(string, "cron(30 1 * * ? *)")
    timezone   = optional(string, "UTC")
  })
  default = {}
}

variable "function" {
  description = "Size of the function. Attributes: modules/function."
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
  description = "Receivers of alarms."
  type        = string
}
