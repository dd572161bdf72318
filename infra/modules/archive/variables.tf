variable "name" {
  description = "First part of the names of the delivery streams and their roles."
  type        = string
}

variable "account" {
  description = "The account that the streams are in, from which ARNs are made."
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
  description = "What an organisation asks of every role; modules/function says what it may be."
  type = object({
    path                 = optional(string, "/")
    permissions_boundary = optional(string)
  })
  default = {}
}

variable "bucket" {
  description = "Where the archives are: a bucket with a bucket key, as modules/bucket makes."
  type = object({
    arn         = string
    kms_key_arn = string
  })
}

variable "streams" {
  description = "What is archived, by the folder of the bucket that it goes to, such as events or predictions/rides."
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
  description = "When an object is written: once it is so old, or before it is compressed so large."
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
  description = "Who is told of alarms."
  type        = string
}
