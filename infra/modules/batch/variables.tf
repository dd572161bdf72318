variable "name" {
  description = "First part of the names of everything here; the name of the cluster and the queue."
  type        = string

  validation {
    condition     = can(regex("^[a-zA-Z0-9][a-zA-Z0-9_-]{0,49}$", var.name))
    error_message = "The name is 1 to 50 letters, digits, hyphens and underscores, since roles and functions add to it: shorten it."
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
  description = "Key that encrypts the log groups."
  type        = string
}

variable "image_uri" {
  description = "The full image (`make image DOORS=1`), by digest."
  type        = string

  validation {
    condition     = can(regex("@sha256:[0-9a-f]{64}$", var.image_uri))
    error_message = "Name the image by digest, <repository>@sha256:<64 hex digits>: a tag may move."
  }
}

variable "repository" {
  description = "Name of the ECR repository of the image, from which the tasks may pull."
  type        = string
}

variable "architecture" {
  description = "Architecture of the image: arm64 or x86_64."
  type        = string
  default     = "arm64"
}

variable "vpc" {
  description = "Your subnets and security groups for the functions (starter and interval). null: no VPC, and AWS's services need no endpoints."
  type = object({
    subnet_ids         = set(string)
    security_group_ids = set(string) # outgoing TLS is enough
  })
  default = null
}

variable "roles" {
  description = "Your organisation's rules for every role. Attributes: modules/function."
  type = object({
    path                 = optional(string, "/")
    permissions_boundary = optional(string) # ARN of a policy; null: none
  })
  default = {}
}

variable "input" {
  description = "Objects to score."
  type = object({
    bucket      = string
    prefix      = optional(string, "rides/")
    suffix      = optional(string, ".parquet")
    kms_key_arn = optional(string) # null: encrypted with S3's own key
    # A bucket has one notification configuration. true: it is this module's, and what else stands in it is removed; false: whoever
    # owns it adds the output `notification`.
    owns_notifications = bool
  })

  validation {
    condition     = can(regex("^([a-zA-Z0-9!_.-]+/)*$", var.input.prefix)) && can(regex("^[a-zA-Z0-9!_./-]*$", var.input.suffix))
    error_message = "input.prefix is a folder with a slash at its end (or \"\"), input.suffix the end of a key: S3 filters by these, not by patterns."
  }
}

variable "output" {
  description = "Location of results."
  type = object({
    bucket      = string
    prefix      = optional(string, "predictions/")
    kms_key_arn = optional(string) # null: encrypted with S3's own key
  })

  validation {
    condition     = can(regex("^([a-zA-Z0-9!_.-]+/)+$", var.output.prefix))
    error_message = "output.prefix is a folder with a slash at its end, since the tasks may write and delete only there."
  }

  validation {
    condition     = var.output.bucket != var.input.bucket || !(startswith(var.output.prefix, var.input.prefix) || startswith(var.input.prefix, var.output.prefix))
    error_message = "Results that lie among the inputs would be scored again, forever: give output.prefix a folder of its own, or another bucket."
  }
}

variable "queue" {
  description = "Number and length of the tries of a file."
  type = object({
    visibility_seconds = optional(number, 300)     # after which the message of a worker that died comes again; a living one extends it
    max_receives       = optional(number, 5)       # tries before the message goes to the dead-letter queue
    retention_seconds  = optional(number, 604800)  # how long a file may wait
    keep_seconds       = optional(number, 1209600) # how long a dead letter is kept
  })
  default = {}

  validation {
    condition     = var.queue.visibility_seconds >= 30 && var.queue.visibility_seconds <= 43200 && floor(var.queue.visibility_seconds) == var.queue.visibility_seconds
    error_message = "queue.visibility_seconds is 30 to 43200: below, a worker could not extend it in time."
  }

  validation {
    condition     = var.queue.max_receives >= 2 && var.queue.max_receives <= 1000 && floor(var.queue.max_receives) == var.queue.max_receives
    error_message = "queue.max_receives is 2 to 1000: with 1, stopping a worker would make a dead letter of a good file."
  }

  validation {
    condition     = var.queue.retention_seconds >= 3600 && var.queue.retention_seconds <= 1209600 && floor(var.queue.retention_seconds) == var.queue.retention_seconds
    error_message = "queue.retention_seconds is 3600 to 1209600, SQS's longest: older messages are lost without a trace."
  }

  validation {
    condition     = var.queue.keep_seconds > var.queue.retention_seconds && var.queue.keep_seconds <= 1209600
    error_message = "A dead letter's age counts from its first arrival, so queue.keep_seconds must be longer than queue.retention_seconds, and at most 1209600."
  }
}

variable "network" {
  description = "Your VPC for the tasks, from which S3, SQS, ECR and CloudWatch Logs can be reached."
  type = object({
    subnet_ids         = list(string)
    security_group_ids = list(string)          # outgoing TLS is enough
    assign_public_ip   = optional(bool, false) # true in public subnets without a NAT gateway or endpoints
  })

  validation {
    condition     = length(var.network.subnet_ids) >= 1 && length(var.network.subnet_ids) <= 16
    error_message = "Fargate takes 1 to 16 subnets: change network.subnet_ids."
  }

  validation {
    condition     = length(var.network.security_group_ids) >= 1 && length(var.network.security_group_ids) <= 5
    error_message = "Fargate takes 1 to 5 security groups; without one the VPC's default group counts, which often allows too much: change network.security_group_ids."
  }
}

variable "task" {
  description = "Size and largest number of tasks."
  type = object({
    cpu                = optional(number, 1024) # 1024 are one vCPU
    memory_mb          = optional(number, 2048)
    scratch_gb         = optional(number, 21)  # of /tmp, where outputs are written before they are committed
    stop_seconds       = optional(number, 120) # from SIGTERM to SIGKILL: to finish a file or hand it back
    max_tasks          = optional(number, 4)
    messages_per_task  = optional(number, 100) # files that wait for each task that is started
    log_retention_days = optional(number, 365)
  })
  default = {}

  # Source: Amazon ECS developer guide, "Task CPU and memory".
  validation {
    condition = contains(lookup({
      "256"   = [512, 1024, 2048]
      "512"   = range(1024, 4097, 1024)
      "1024"  = range(2048, 8193, 1024)
      "2048"  = range(4096, 16385, 1024)
      "4096"  = range(8192, 30721, 1024)
      "8192"  = range(16384, 61441, 4096)
      "16384" = range(32768, 122881, 8192)
    }, tostring(var.task.cpu), []), var.task.memory_mb)
    error_message = "Fargate has no task of that size: to each task.cpu (256, 512, 1024, 2048, 4096, 8192, 16384) belong certain task.memory_mb, from two to eight times as much, in whole GB."
  }

  validation {
    condition     = var.task.scratch_gb >= 21 && var.task.scratch_gb <= 200 && floor(var.task.scratch_gb) == var.task.scratch_gb
    error_message = "Fargate gives 21 to 200 GB: change task.scratch_gb."
  }

  validation {
    condition     = var.task.stop_seconds >= 2 && var.task.stop_seconds <= 120 && floor(var.task.stop_seconds) == var.task.stop_seconds
    error_message = "Fargate waits 2 to 120 seconds for a container to stop: change task.stop_seconds."
  }

  validation {
    condition     = var.task.max_tasks >= 1 && floor(var.task.max_tasks) == var.task.max_tasks
    error_message = "task.max_tasks is 1 or more; the account's limit of Fargate vCPUs caps it too."
  }

  validation {
    condition     = var.task.messages_per_task >= 1 && floor(var.task.messages_per_task) == var.task.messages_per_task
    error_message = "task.messages_per_task is 1 or more."
  }

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.task.log_retention_days)
    error_message = "CloudWatch keeps logs for certain numbers of days only (…, 30, 60, 90, 180, 365, 400, …): change task.log_retention_days."
  }
}

variable "on_arrival" {
  description = "Score each file on arrival. Set this if there is an interval, which reads the same files. null: true."
  type        = bool
  default     = null

  validation {
    condition     = var.interval == null || var.on_arrival != null
    error_message = "An interval scores files under input.prefix, each of which is scored when it arrives too: set on_arrival = false, or true if both are meant."
  }

  validation {
    condition     = var.interval != null || var.on_arrival != false
    error_message = "Nothing would ever be scored: set on_arrival = true, or an interval."
  }
}

variable "interval" {
  description = "Score an interval's files by schedule. null: only arriving files."
  type = object({
    runs_on          = string # fargate, or lambda for intervals that are scored within 15 minutes
    length           = optional(string, "month")
    schedule         = string                  # cron(…) or rate(…), after the interval's end
    timezone         = optional(string, "UTC") # of the schedule's hours; the intervals themselves are UTC's
    flexible_minutes = optional(number, 0)     # the run begins within so many minutes, so that not everything begins at once
    retries          = optional(number, 5)     # of starting the run, should AWS refuse it
    retry_seconds    = optional(number, 3600)  # for at most so long
    input            = optional(string)        # template, with {date:…}; null: <input.prefix><date><input.suffix> by length
    output           = optional(string)        # template; null: <output.prefix><date><input.suffix>
    function = optional(object({
      memory_mb       = optional(number, 3008)
      timeout_seconds = optional(number, 900)
      scratch_mb      = optional(number, 10240)
    }), {}) # lambda only
  })
  default = null

  validation {
    condition     = var.interval == null || contains(["fargate", "lambda"], try(var.interval.runs_on, ""))
    error_message = "interval.runs_on is fargate, or lambda for intervals that are scored within 15 minutes."
  }

  validation {
    condition     = var.interval == null || contains(["month", "day", "hour"], try(var.interval.length, ""))
    error_message = "interval.length is month, day or hour."
  }

  validation {
    condition     = var.interval == null || can(regex("^(cron\\([^ )]+( [^ )]+){5}\\)|rate\\([1-9][0-9]* (minute|hour|day)s?\\))$", var.interval.schedule))
    error_message = "interval.schedule is cron(<minutes> <hours> <day of month> <month> <day of week> <year>) or rate(<n> hours), as EventBridge Scheduler writes them."
  }

  validation {
    condition     = var.interval == null || try(var.interval.flexible_minutes >= 0 && var.interval.flexible_minutes <= 1440 && floor(var.interval.flexible_minutes) == var.interval.flexible_minutes, false)
    error_message = "interval.flexible_minutes is 0 (begin at once) to 1440."
  }

  validation {
    condition     = var.interval == null || try(var.interval.retries >= 0 && var.interval.retries <= 185 && var.interval.retry_seconds >= 60 && var.interval.retry_seconds <= 86400, false)
    error_message = "EventBridge Scheduler retries up to 185 times within 60 to 86400 seconds: change interval.retries or interval.retry_seconds."
  }

  validation {
    condition     = var.interval == null || alltrue([for url in [try(var.interval.input, null), try(var.interval.output, null)] : url == null || can(regex("\\{date", url))])
    error_message = "interval.input and interval.output are templates with {date:…} in them, such as s3://bucket/rides/{date:%Y-%m}.parquet: without a date each run would score the same object."
  }

  validation {
    condition = var.interval == null || (
      startswith(coalesce(try(var.interval.input, null), "s3://${var.input.bucket}/${var.input.prefix}"), "s3://${var.input.bucket}/${var.input.prefix}") &&
      startswith(coalesce(try(var.interval.output, null), "s3://${var.output.bucket}/${var.output.prefix}"), "s3://${var.output.bucket}/${var.output.prefix}")
    )
    error_message = "The tasks may read input.prefix and write output.prefix only: let interval.input and interval.output begin with them."
  }
}

variable "model" {
  description = "The model, unless it is baked into the image. Attributes: modules/model-access."
  type = object({
    location    = optional(string) # s3://bucket/folder, or a path in the image; null: the image's own
    digest      = optional(string) # sha256 of the model directory, obligatory for a pickled model
    kms_key_arn = optional(string) # key of the bucket of an s3:// location
  })
  default = {}
}

variable "environment" {
  description = "More settings of the batch interface."
  type        = map(string)
  default     = {}

  validation {
    condition = length(setintersection(keys(var.environment), [
      "AWS_DEFAULT_REGION", "MODEL_LOCATION", "MODEL_DIGEST", "BATCH_INPUT", "BATCH_OUTPUT", "BATCH_OUTPUT_KEYED", "BATCH_INTERVAL", "DATE", "SCHEDULED_TIME",
    ])) == 0
    error_message = "These settings follow from other variables (model, input, output, interval) or from the schedule: change those variables instead of environment."
  }
}

variable "alarms" {
  description = "Thresholds of the alarms."
  type = object({
    topic_arn   = string                 # modules/observability has one
    age_seconds = optional(number, 3600) # how long a file may wait
  })

  validation {
    condition     = var.alarms.age_seconds >= 300 && var.alarms.age_seconds < var.queue.retention_seconds
    error_message = "alarms.age_seconds is 300 or more, for a task takes minutes to start, and below queue.retention_seconds, when files are lost."
  }
}
