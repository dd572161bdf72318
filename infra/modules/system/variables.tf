variable "name" {
  description = "First part of every name."
  type        = string
  default     = "stream-consumer"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,24}$", var.name))
    error_message = "name is 2 to 25 lower-case letters, digits and hyphens, and begins with a letter: bucket names are made from it."
  }
}

variable "environment" {
  description = "Second part of every name, such as dev or prod."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9]{1,9}$", var.environment))
    error_message = "environment is 2 to 10 lower-case letters and digits, and begins with a letter."
  }
}

variable "account" {
  description = "The account to deploy to."
  type = object({
    id        = string                  # twelve digits
    region    = string                  # e.g. eu-west-1
    partition = optional(string, "aws") # aws, aws-cn or aws-us-gov
  })

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account.id))
    error_message = "account.id is the account's twelve digits, as a string."
  }
}

variable "bootstrap" {
  description = "Resources of infra/bootstrap: the key of streams, buckets, logs and alarms, the bucket of models, the repositories of images."
  type = object({
    kms_key_arn   = string
    models_bucket = string
    repositories = object({
      lean  = string # URL of the repository of the consumers' image
      doors = string # URL of that with the batch and the web interface

      training = optional(string) # URL of that which trains; null: a bootstrap of before there was one
    })
  })
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
  description = "Your subnets and security groups for the functions. null: no VPC, and AWS's services need no endpoints."
  type = object({
    subnet_ids         = set(string)
    security_group_ids = set(string) # outgoing TLS is enough
  })
  default = null
}

variable "image_digest" {
  description = "Digest of the deployed image in the registry, sha256:…"
  type        = string

  validation {
    condition     = can(regex("^sha256:[0-9a-f]{64}$", var.image_digest))
    error_message = "image_digest is sha256: and 64 hex digits, as the registry prints it after a push; `make deploy` sets it."
  }
}

variable "doors_image_digest" {
  description = "Digest of the image with the batch and the web interface in the registry, sha256:…"
  type        = string
  default     = null

  validation {
    condition     = (var.batch == null && var.web == null) || can(regex("^sha256:[0-9a-f]{64}$", var.doors_image_digest))
    error_message = "batch and web run in the full image: `make deploy DOORS=1` builds it and sets doors_image_digest."
  }
}

variable "training_image_digest" {
  description = "Digest of the image of training in the registry, sha256:…"
  type        = string
  default     = null

  validation {
    condition     = var.training == null || (can(regex("^sha256:[0-9a-f]{64}$", var.training_image_digest)) && var.bootstrap.repositories.training != null)
    error_message = "training runs in an image of its own: `make bootstrap` makes its repository, `make deploy TRAINING=1` builds it and sets training_image_digest."
  }
}

variable "architecture" {
  description = "Architecture of the image: arm64 or x86_64."
  type        = string
  default     = "arm64"
}

variable "input" {
  description = "The input stream."
  type = object({
    name                = optional(string)    # null: <name>-<environment>-events
    mode                = optional(string)    # ON_DEMAND or PROVISIONED; null: stream_defaults
    shards              = optional(number)    # PROVISIONED only
    expected_shards     = optional(number, 4) # ON_DEMAND only: shards to size consumers for
    retention_hours     = optional(number)    # null: stream_defaults
    shard_level_metrics = optional(set(string), [])
    record_distribution = optional(string, "USER_PARTITION_KEY") # or AUTO
  })
  default = {}
}

variable "stream_defaults" {
  description = "Default of the streams."
  type = object({
    mode            = optional(string, "ON_DEMAND")
    shards          = optional(number)      # of each stream, PROVISIONED only
    retention_hours = optional(number, 168) # of the input stream
  })
  default = {}
}

variable "consumers" {
  description = "The consumers of the input stream, by name. Each has its own model, output stream and alarms. A key is the end of the function's name. null in `function`, `mapping` and `alarms` means the module's default."
  type = map(object({
    model = optional(object({
      location    = optional(string) # s3://bucket/folder, or a path in the image; null: the image's own
      digest      = optional(string) # sha256 of the model directory
      kms_key_arn = optional(string) # key of a bucket that is not ours
    }), {})
    challenger = optional(object({
      location    = string           # a second model, as model.location: it scores each batch after the first one
      digest      = optional(string) # sha256 of the model directory
      kms_key_arn = optional(string) # key of a bucket that is not ours
      threshold   = optional(number) # difference of two numbers above which the models disagree; null: 0
      timeout_ms  = optional(number) # how long a batch's answer waits for it; null: 2000
      stream = optional(object({     # where its predictions go, one of yours; null: nowhere
        name        = string
        arn         = string
        kms_key_arn = optional(string)
      }))
    })) # docs/challenger.md; function.memory_mb needs 512 more
    output = optional(object({
      name            = optional(string) # null: <name>-<environment>-<consumer>-predictions
      mode            = optional(string) # null: stream_defaults
      shards          = optional(number)
      retention_hours = optional(number, 24)
    }), {})
    image_digest     = optional(string)      # null: the system's
    enhanced_fan_out = optional(bool, false) # 2 MB/s a shard of its own, pushed
    ordered          = optional(bool, true)  # refuses an input stream that does not keep order
    function = optional(object({
      memory_mb               = optional(number)
      timeout_seconds         = optional(number)
      snap_start              = optional(bool)
      provisioned_concurrency = optional(number)
      reserved_concurrency    = optional(number)
      tracing                 = optional(bool)
      insights                = optional(bool)
      log_level               = optional(string)
      log_retention_days      = optional(number)
    }), {})
    mapping = optional(object({
      enabled                    = optional(bool)
      batch_size                 = optional(number)
      window_seconds             = optional(number)
      parallelization_factor     = optional(number)
      maximum_retry_attempts     = optional(number)
      maximum_record_age_seconds = optional(number, 86400)
      starting_position          = optional(string)
      starting_timestamp         = optional(string)
      filter_patterns            = optional(list(string))
    }), {})
    alarms = optional(object({
      iterator_age_seconds = optional(number)
      duration_share       = optional(number)
      dead_letters         = optional(number)
      no_data_minutes      = optional(number)
    }), {})
    environment = optional(map(string), {}) # more settings of the handler
  }))

  validation {
    condition     = length(var.consumers) >= 1 && alltrue([for name in keys(var.consumers) : can(regex("^[a-z][a-z0-9-]{0,27}$", name))])
    error_message = "There is at least one consumer; a consumer's name is 1 to 28 lower-case letters, digits and hyphens, and begins with a letter."
  }

  validation {
    condition     = length(setintersection(keys(var.consumers), ["web", "batch", "batch-starter", "batch-interval", "ends-canaries"])) == 0
    error_message = "web, batch, batch-starter and batch-interval are names of the interfaces' functions, and ends-canaries is the name of a role: rename the consumer."
  }

  validation {
    condition     = length(distinct([for name, c in var.consumers : coalesce(c.output.name, "${var.name}-${var.environment}-${name}-predictions")])) == length(var.consumers)
    error_message = "Two consumers have the same output stream, so readers could not distinguish their predictions: give each its own output.name."
  }
}

variable "batch" {
  description = "Score files, on arrival or by interval; null: no batch interface."
  type = object({
    network = any # modules/batch
    input = optional(object({
      bucket             = string # one of yours
      prefix             = optional(string)
      suffix             = optional(string)
      kms_key_arn        = optional(string)
      owns_notifications = bool
    })) # null: rides/ of a bucket that is made
    output = optional(object({
      bucket      = string # one of yours
      prefix      = optional(string)
      kms_key_arn = optional(string)
    })) # null: predictions/ of a bucket that is made
    model = optional(object({
      location    = optional(string) # s3://bucket/folder, or a path in the image; null: the image's own
      digest      = optional(string)
      kms_key_arn = optional(string) # key of a bucket that is not ours
    }), {})
    queue             = optional(any, {})      # modules/batch
    task              = optional(any, {})      # modules/batch
    on_arrival        = optional(bool)         # to be said with an interval, which reads the same files; null: they are scored when they arrive
    interval          = optional(any)          # modules/batch
    alarm_age_seconds = optional(number, 3600) # how long a file may wait
    environment       = optional(map(string), {})
  })
  default = null
}

variable "web" {
  description = "Answer over HTTPS; null: no web interface."
  type = object({
    endpoint                      = optional(string) # function_url or http_api
    allowed_principals            = optional(set(string))
    public_without_authentication = optional(bool)
    model = optional(object({
      location    = optional(string) # s3://bucket/folder, or a path in the image; null: the image's own
      digest      = optional(string)
      kms_key_arn = optional(string) # key of a bucket that is not ours
    }), {})
    function    = optional(any, {}) # modules/web
    throttle    = optional(any, {}) # modules/web
    cors        = optional(any)     # modules/web
    alarms      = optional(any, {}) # modules/web
    release     = optional(any)     # modules/web; null: the newest version
    environment = optional(map(string), {})
  })
  default = null
}

variable "release_trigger" {
  description = "Release a new champion of a model by GitHub's workflow; null: a promotion releases nothing."
  type = object({
    repository = string                                     # owner/name on GitHub
    models     = optional(set(string), ["ride-duration"])   # whose champion is in the image
    api_url    = optional(string, "https://api.github.com") # of an enterprise server: https://HOST/api/v3
  })
  default = null
}

variable "training" {
  description = "Train by schedule; null: off."
  type = object({
    schedule = any               # modules/training
    job      = optional(any, {}) # modules/training
    data = optional(object({
      bucket      = string # one of yours
      prefix      = optional(string)
      kms_key_arn = optional(string)
    })) # null: training/ of the bucket of models
    model_name   = optional(string)
    seed         = optional(number)
    tracking_uri = optional(string)
  })
  default = null
}

variable "monitor" {
  description = "Watch the inputs and predictions of a consumer's model; null: off. The model must have a reference profile (docs/monitoring.md)."
  type = object({
    consumer  = optional(string)  # whose model; null: that of the only one
    function  = optional(any, {}) # modules/monitor
    mapping   = optional(any, {}) # modules/monitor
    judgement = optional(any, {}) # modules/monitor
  })
  default = null

  validation {
    condition     = var.monitor == null || try(contains(keys(var.consumers), var.monitor.consumer), length(var.consumers) == 1)
    error_message = "monitor.consumer is the name of a consumer. Set it if there are several."
  }

  validation {
    condition     = var.monitor == null || length(setintersection(keys(var.consumers), ["monitor", "monitor-schedules"])) == 0
    error_message = "monitor is the name of the monitor's function, and monitor-schedules of its role: rename the consumer."
  }
}

variable "archive" {
  description = "Keep the records of the streams as files, and judge the predictions by the outcomes; null: off."
  type = object({
    keep_days = optional(number, 90) # results of days are kept forever
    buffer = optional(object({       # of an object; modules/archive
      seconds = optional(number)
      mb      = optional(number)
    }), {})
    outcomes = optional(object({
      name            = optional(string) # null: <name>-<environment>-outcomes
      mode            = optional(string) # null: stream_defaults
      shards          = optional(number)
      retention_hours = optional(number, 24)
    })) # a stream for the truth, which comes later; null: none is made
    quality = optional(map(object({
      group    = optional(string) # column of the events, such as PULocationID
      wait     = optional(string) # how long after the day an outcome is in time
      champion = optional(string) # s3://…/champion.json; null: model.location, where that is one
      registered = optional(object({
        rmse     = optional(number)
        accuracy = optional(number)
      }), {}) # where there is no champion.json
      schedule = optional(object({
        expression = optional(string)
        timezone   = optional(string)
      }), {})
      function = optional(object({
        memory_mb          = optional(number)
        timeout_seconds    = optional(number)
        scratch_mb         = optional(number)
        log_retention_days = optional(number)
      }), {})
      environment = optional(map(string), {}) # more settings of the command
    })), {})                                  # by consumer: the daily run of `monitor quality`
  })
  default = null

  validation {
    condition     = try(length(var.archive.quality) == 0, true) || try(var.archive.outcomes != null && can(regex("^sha256:[0-9a-f]{64}$", var.doors_image_digest)), false)
    error_message = "archive.quality compares predictions with outcomes, in the full image: set archive.outcomes, and `make deploy DOORS=1` builds the image."
  }

  validation {
    condition     = alltrue([for name in keys(try(var.archive.quality, {})) : contains(keys(var.consumers), name) && !contains(keys(var.consumers), "quality-${name}")]) && (var.archive == null || alltrue([for name in keys(var.consumers) : !startswith(name, "archive-")]))
    error_message = "archive.quality is by consumer, and no consumer may be called quality-<consumer> or archive-…, as roles of the archive are."
  }
}

variable "model_digests" {
  description = "Digest of the model in each image, by its kind (`lean`, `doors`), from the build. A missing kind has no model, or an unknown model."
  type        = map(string)
  default     = {}
}

variable "releases" {
  description = "Parts that do not run their newest version, by consumer or `web`. `make rollback` and canary deployments write this. Missing parts run their newest version."
  type = map(object({
    version       = string
    canary_weight = optional(number, 0)
    canary_until  = optional(string) # RFC 3339 in UTC: when the share ends by itself; null: it does not
  }))
  default = {}
}

variable "challengers" {
  description = "The second model of consumers while a canary runs, instead of their own `challenger`. `make deploy CHALLENGER=…` writes this. Missing consumers have none."
  type = map(object({
    location = string
    digest   = optional(string) # sha256 of the model directory
  }))
  default = {}
}

variable "written" {
  description = "The variables `input`, `roles`, `vpc`, `consumers`, `batch`, `web`, `release_trigger`, `training`, `monitor` and `archive` as written by the user. Unknown attributes are refused."
  type        = any
  default     = {}
}

variable "emails" {
  description = "Receivers of alarms."
  type        = set(string)
  default     = []
}

variable "disposable" {
  description = "Let `terraform destroy` delete buckets with their content."
  type        = bool
  default     = false
}
