variable "name" {
  description = "Name of the function, its role, its log group and the group of its schedule; the dimension `service` of its metrics."
  type        = string

  validation {
    condition     = can(regex("^[a-zA-Z0-9_-]{1,54}$", var.name))
    error_message = "The name is 1 to 54 letters, digits, hyphens and underscores, since the names of the schedule and its role are longer: shorten it."
  }
}

variable "account" {
  description = "Account, for ARNs."
  type = object({
    id        = string                  # twelve digits
    region    = string                  # e.g. eu-west-1
    partition = optional(string, "aws") # aws, aws-cn or aws-us-gov
  })
}

variable "kms_key_arn" {
  description = "Key that encrypts the log group and the bucket of profiles."
  type        = string
}

variable "image_uri" {
  description = "The consumer's image, by digest."
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
    permissions_boundary = optional(string) # ARN of a policy; null: none
  })
  default = {}
}

variable "vpc" {
  description = "Your subnets and security groups for the function. null: no VPC."
  type = object({
    subnet_ids         = set(string)
    security_group_ids = set(string) # outgoing TLS is enough
  })
  default = null
}

variable "input_stream" {
  description = "The watched stream: output `stream` of modules/stream."
  type = object({
    name        = string
    arn         = string
    shards      = number           # open shards to size for
    kms_key_arn = optional(string) # null: encrypted with AWS's own key, or not at all
  })
}

variable "model" {
  description = "The model that the consumer serves: it must have a reference profile (docs/monitoring.md)."
  type = object({
    location    = optional(string) # s3://bucket/folder, or a path in the image; null: the image's own
    digest      = optional(string) # sha256 of the model directory
    kms_key_arn = optional(string) # key of the bucket of an s3:// location
  })
  default = {}
}

variable "profiles" {
  description = "Location for the profiles of windows."
  type = object({
    bucket     = string
    bucket_arn = string
    prefix     = optional(string, "profiles")
  })

  validation {
    condition     = can(regex("^[a-zA-Z0-9!_.-]+(/[a-zA-Z0-9!_.-]+)*$", var.profiles.prefix))
    error_message = "profiles.prefix is a path without a slash at either end, such as profiles: the function may read and write below it, and nothing else."
  }
}

variable "environment" {
  description = "More settings of the handler: the consumer's settings about reading events."
  type        = map(string)
  default     = {}
}

variable "function" {
  description = "Size of the function."
  type = object({
    memory_mb            = optional(number, 1769)
    timeout_seconds      = optional(number, 300) # a judgement reads 672 small objects for each shard
    snap_start           = optional(bool, false) # start from a snapshot taken after init
    reserved_concurrency = optional(number)      # concurrency kept for, and capped at, this function; null: the account's pool
    tracing              = optional(bool, false)
    log_level            = optional(string, "INFO")
    log_retention_days   = optional(number, 365)
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.function.reserved_concurrency == null || try(var.function.reserved_concurrency >= var.input_stream.shards + 1, false)
    error_message = "Each shard runs a batch, and a judgement runs beside them: raise function.reserved_concurrency to shards + 1 or more, or set it to null."
  }

  validation {
    condition     = var.function.timeout_seconds * (var.mapping.maximum_retry_attempts + 1) < var.mapping.maximum_record_age_seconds
    error_message = "If every attempt timed out, records would grow too old before their retries are used up: lower function.timeout_seconds or raise mapping.maximum_record_age_seconds above timeout × (retries + 1)."
  }
}

variable "mapping" {
  description = "Reading of the stream by Lambda."
  type = object({
    enabled                    = optional(bool, true)
    window_seconds             = optional(number, 900) # of the tumbling window: a profile for each shard and window
    batch_size                 = optional(number, 5000)
    batching_seconds           = optional(number, 60) # how long a batch may wait to be filled
    maximum_retry_attempts     = optional(number, 2)
    maximum_record_age_seconds = optional(number, 3600)
    starting_position          = optional(string, "LATEST") # of a new mapping: LATEST or TRIM_HORIZON
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.mapping.window_seconds >= 60 && var.mapping.window_seconds <= 900 && floor(var.mapping.window_seconds) == var.mapping.window_seconds
    error_message = "A tumbling window is 900 seconds at most, and less than 60 would make a heap of profiles: change mapping.window_seconds."
  }

  validation {
    condition     = var.mapping.batch_size >= 1 && var.mapping.batch_size <= 10000 && floor(var.mapping.batch_size) == var.mapping.batch_size
    error_message = "Lambda takes 1 to 10000 records a batch: change mapping.batch_size."
  }

  validation {
    condition     = var.mapping.batching_seconds >= 0 && var.mapping.batching_seconds <= 300 && floor(var.mapping.batching_seconds) == var.mapping.batching_seconds
    error_message = "A batch is filled for 0 to 300 whole seconds: change mapping.batching_seconds."
  }

  validation {
    condition     = var.mapping.maximum_retry_attempts >= 0 && var.mapping.maximum_retry_attempts <= 10 && floor(var.mapping.maximum_retry_attempts) == var.mapping.maximum_retry_attempts
    error_message = "mapping.maximum_retry_attempts is 0 to 10: more would hold up the shard, and with it the windows behind it, for a profile."
  }

  validation {
    condition     = var.mapping.maximum_record_age_seconds >= 60 && var.mapping.maximum_record_age_seconds <= 604800 && floor(var.mapping.maximum_record_age_seconds) == var.mapping.maximum_record_age_seconds
    error_message = "mapping.maximum_record_age_seconds is 60 to 604800; an endless age (-1) would have the monitor profile the past instead of the present."
  }

  validation {
    condition     = contains(["LATEST", "TRIM_HORIZON"], var.mapping.starting_position)
    error_message = "mapping.starting_position is LATEST or TRIM_HORIZON."
  }
}

variable "judgement" {
  description = "Time of the judgement of the day before, in UTC."
  type = object({
    schedule = optional(string, "cron(30 1 * * ? *)") # once a day: the last windows of the day before must be closed
    enabled  = optional(bool, true)
  })
  default  = {}
  nullable = false

  validation {
    condition     = can(regex("^cron\\([0-9]{1,2} [0-9]{1,2} \\* \\* \\? \\*\\)$", var.judgement.schedule))
    error_message = "judgement.schedule is once a day, cron(<minute> <hour> * * ? *): each day is judged when it is over."
  }
}

variable "topic_arn" {
  description = "Topic to tell; modules/observability has one."
  type        = string
}
