variable "name" {
  description = "First part of the names of everything here, jobs too."
  type        = string

  # A job's name is at most 63 characters, 16 of them Scheduler's number of the attempt.
  validation {
    condition     = can(regex("^[a-zA-Z0-9](-?[a-zA-Z0-9])*$", var.name)) && length(var.name) <= 46
    error_message = "The name is 1 to 46 letters, digits and single hyphens, since jobs add a number to it: shorten it."
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
  description = "Key that encrypts the disk of a job, and SageMaker's archive of the model."
  type        = string
}

variable "image_uri" {
  description = "The image that trains (`make image TRAINING=1`, for x86_64), by digest."
  type        = string

  validation {
    condition     = can(regex("@sha256:[0-9a-f]{64}$", var.image_uri))
    error_message = "Name the image by digest, <repository>@sha256:<64 hex digits>: a tag may move."
  }
}

variable "repository" {
  description = "Name of the ECR repository of the image, from which the jobs may pull."
  type        = string
}

variable "roles" {
  description = "Your organisation's rules for every role. Attributes: modules/function."
  type = object({
    path                 = optional(string, "/")
    permissions_boundary = optional(string) # ARN of a policy; null: none
  })
  default = {}
}

variable "schedule" {
  description = "Schedule of the jobs."
  type = object({
    expression       = string                  # cron(…) or rate(…)
    timezone         = optional(string, "UTC") # of the schedule's hours
    enabled          = optional(bool, true)
    flexible_minutes = optional(number, 0)    # the job starts within so many minutes
    retries          = optional(number, 5)    # of starting the job, should AWS refuse it
    retry_seconds    = optional(number, 3600) # for at most so long
  })

  validation {
    condition     = can(regex("^(cron\\([^ )]+( [^ )]+){5}\\)|rate\\([1-9][0-9]* (minute|hour|day)s?\\))$", var.schedule.expression))
    error_message = "schedule.expression is cron(<minutes> <hours> <day of month> <month> <day of week> <year>) or rate(<n> days), as EventBridge Scheduler writes them."
  }

  validation {
    condition     = var.schedule.flexible_minutes >= 0 && var.schedule.flexible_minutes <= 1440 && floor(var.schedule.flexible_minutes) == var.schedule.flexible_minutes
    error_message = "schedule.flexible_minutes is 0 (begin at once) to 1440."
  }

  validation {
    condition     = var.schedule.retries >= 0 && var.schedule.retries <= 185 && var.schedule.retry_seconds >= 60 && var.schedule.retry_seconds <= 86400
    error_message = "EventBridge Scheduler retries up to 185 times within 60 to 86400 seconds: change schedule.retries or schedule.retry_seconds."
  }
}

variable "job" {
  description = "Size of a job's machine."
  type = object({
    instance_type   = optional(string, "ml.m5.large") # 2 vCPUs and 8 GB; a month of green taxis takes 450 MB and 11 s of one
    volume_gb       = optional(number, 10)            # disk: the rides are copied to it
    timeout_seconds = optional(number, 3600)          # then SageMaker stops the job
  })
  default = {}

  # Source: Amazon SageMaker API reference, "ResourceConfig": the instance types of training jobs. None has a Graviton processor.
  validation {
    condition     = can(regex("^ml\\.[a-z][0-9][a-z]*\\.[0-9]*x?(large|medium)$", var.job.instance_type)) && !can(regex("^ml\\.[a-z][0-9]g", var.job.instance_type))
    error_message = "job.instance_type is one of SageMaker's for training, such as ml.m5.large: none has a Graviton processor, and the image is for x86_64."
  }

  validation {
    condition     = var.job.volume_gb >= 1 && var.job.volume_gb <= 16384 && floor(var.job.volume_gb) == var.job.volume_gb
    error_message = "job.volume_gb is 1 to 16384, whole GB."
  }

  validation {
    condition     = var.job.timeout_seconds >= 300 && var.job.timeout_seconds <= 86400 && floor(var.job.timeout_seconds) == var.job.timeout_seconds
    error_message = "job.timeout_seconds is 300, for a machine takes minutes to start, to 86400."
  }
}

variable "data" {
  description = "The rides: all files below the prefix. Training holds out the last month."
  type = object({
    bucket      = string
    prefix      = optional(string, "training/")
    kms_key_arn = optional(string) # null: encrypted with S3's own key
  })

  validation {
    condition     = can(regex("^([a-zA-Z0-9!_.-]+/)+$", var.data.prefix))
    error_message = "data.prefix is a folder with a slash at its end: the jobs may read only there."
  }
}

variable "models" {
  description = "The bucket of models: the registry of files is its folder models/, and SageMaker's outputs go into jobs/."
  type = object({
    bucket      = string
    kms_key_arn = optional(string) # null: encrypted with S3's own key
  })
}

variable "model_name" {
  description = "The registered model, a folder of the registry."
  type        = string
  default     = "ride-duration"
  nullable    = false

  validation {
    condition     = can(regex("^[a-zA-Z0-9_-][a-zA-Z0-9._-]*$", var.model_name))
    error_message = "model_name names a folder of models: letters, digits, '.', '_' and '-', no dot first."
  }
}

variable "seed" {
  description = "Seed of everything random."
  type        = number
  default     = 42
  nullable    = false

  validation {
    condition     = var.seed >= 0 && var.seed < 4294967296 && floor(var.seed) == var.seed
    error_message = "seed is a whole number from 0 to 4294967295."
  }
}

variable "tracking_uri" {
  description = "An MLflow server for registering versions too, https://…; null: none."
  type        = string
  default     = null

  validation {
    condition     = var.tracking_uri == null || can(regex("^https?://[^ ]+$", var.tracking_uri))
    error_message = "tracking_uri is the https:// URL of an MLflow server: the image cannot use a database."
  }
}

variable "topic_arn" {
  description = "Topic to tell; modules/observability has one."
  type        = string
}
