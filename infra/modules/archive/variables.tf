variable "name" {
  description = "First part of the names of the delivery streams and their roles."
  type        = string
}

variable "account" {
  description = "Account of the streams, for ARNs."
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

variable "roles" {
  description = "Your organisation's rules for every role. Attributes: modules/function."
  type = object({
    path                 = optional(string, "/")
    permissions_boundary = optional(string)
  })
  default = {}
}

variable "bucket" {
  description = "Bucket of the archives, with a bucket key, as modules/bucket makes."
  type = object({
    arn         = string
    kms_key_arn = string
  })
}

variable "streams" {
  description = "Streams to archive, by folder of the bucket, such as events or predictions/rides."
  type = map(object({
    name            = string
    arn             = string
    retention_hours = number           # how long the stream keeps a record
    kms_key_arn     = optional(string) # key that encrypts its records
  }))

  validation {
    condition     = length(var.streams) >= 1 && alltrue([for folder in keys(var.streams) : can(regex("^[a-z][a-z0-9-]*(/[a-z0-9-]+)*$", folder)) && split("/", folder)[0] != "errors"])
    error_message = "At least one stream is archived; a folder is lower-case letters, digits, hyphens and slashes, and not errors, where Firehose puts what it cannot archive."
  }

  validation {
    condition     = alltrue([for folder in keys(var.streams) : length("${var.name}-${folder}") <= 64])
    error_message = "The name of a delivery stream, <name>-<folder>, has 64 characters at most: shorten the folder."
  }

  validation {
    condition     = length(distinct([for folder in keys(var.streams) : replace(folder, "/", "-")])) == length(var.streams)
    error_message = "Two folders have one name once their slashes are hyphens: rename one."
  }
}

variable "buffer" {
  description = "Age or size (before compression) at which an object is written."
  type = object({
    seconds = optional(number, 300)
    mb      = optional(number, 64)
  })
  default = {}

  validation {
    condition     = var.buffer.seconds >= 60 && var.buffer.seconds <= 900 && var.buffer.mb >= 1 && var.buffer.mb <= 128
    error_message = "Firehose takes objects of up to 900 seconds and 1 to 128 MB, and below 60 seconds there are too many: change buffer.seconds or buffer.mb."
  }
}

variable "log_retention_days" {
  description = "Days for which errors of delivery are kept."
  type        = number
  default     = 90
}

variable "topic_arn" {
  description = "Receivers of alarms."
  type        = string
}
