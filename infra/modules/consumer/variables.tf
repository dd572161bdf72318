variable "name" {
  description = "Name of the function, its role and its log group; the dimension `service` of its metrics."
  type        = string
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
  description = "Key that encrypts the log group and the dead letters."
  type        = string
}

variable "image_uri" {
  description = "The image, by digest, so that exactly the tested image runs."
  type        = string
}

variable "architecture" {
  description = "Architecture of the image: arm64 or x86_64."
  type        = string
  default     = "arm64"
}

variable "vpc" {
  description = "Your subnets and security groups for the function. null: no VPC, and AWS's services need no endpoints."
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

variable "function" {
  description = "Size and warmth of the function."
  type = object({
    memory_mb               = optional(number, 1769) # 1,769 MB is one vCPU
    timeout_seconds         = optional(number, 60)   # for one batch
    snap_start              = optional(bool, false)  # start from a snapshot taken after init
    provisioned_concurrency = optional(number, 0)    # environments kept warm, billed by the hour
    reserved_concurrency    = optional(number)       # concurrency kept for, and capped at, this function; null: the account's pool
    tracing                 = optional(bool, false)  # send traces of sampled invocations to X-Ray, billed by the trace
    insights                = optional(bool, false)  # let Lambda Insights write, whose extension must be in the image (infra/README.md)
    log_level               = optional(string, "INFO")
    log_retention_days      = optional(number, 365)
  })
  default = {}

  validation {
    condition     = var.function.reserved_concurrency == null || try(var.function.reserved_concurrency >= var.input_stream.shards * var.mapping.parallelization_factor, false)
    error_message = "Each shard runs mapping.parallelization_factor batches at once; fewer environments throttle the mapping: raise function.reserved_concurrency to shards × factor or more, or set it to null."
  }

  validation {
    condition     = var.function.timeout_seconds * (var.mapping.maximum_retry_attempts + 1) < var.mapping.maximum_record_age_seconds
    error_message = "If every attempt timed out, records would grow too old before their retries are used up: lower function.timeout_seconds or mapping.maximum_retry_attempts, or raise mapping.maximum_record_age_seconds above timeout × (retries + 1)."
  }
}

variable "input_stream" {
  description = "The input stream: output `stream` of modules/stream, or the facts of another stream."
  type = object({
    name                = string
    arn                 = string
    shards              = number # open shards to size for
    retention_hours     = number
    record_distribution = optional(string, "USER_PARTITION_KEY") # USER_PARTITION_KEY or AUTO
    kms_key_arn         = optional(string)                       # null: encrypted with AWS's own key, or not at all
    fan_out             = optional(object({ arn = string }))     # read through this enhanced fan-out consumer
  })
}

variable "ordered" {
  description = "Whether readers of the predictions depend on the order of a partition key's events."
  type        = bool
  default     = true

  validation {
    condition     = !(var.ordered && var.input_stream.record_distribution == "AUTO")
    error_message = "A stream with automatic record distribution ignores partition keys, so no order is left to keep: set its record distribution to USER_PARTITION_KEY, or this consumer's ordered = false."
  }
}

variable "mapping" {
  description = "Reading of the stream by Lambda, and the handling of failed batches."
  type = object({
    enabled                    = optional(bool, true)
    batch_size                 = optional(number, 1000)
    window_seconds             = optional(number, 1) # how long a batch may wait to be filled
    parallelization_factor     = optional(number, 1) # batches of one shard at once, order kept by partition key
    maximum_retry_attempts     = optional(number, 10)
    maximum_record_age_seconds = optional(number, 86400)
    starting_position          = optional(string, "TRIM_HORIZON") # of a new mapping: TRIM_HORIZON, LATEST or AT_TIMESTAMP
    starting_timestamp         = optional(string)                 # RFC 3339, with AT_TIMESTAMP
    filter_patterns            = optional(list(string), [])       # JSON; a record that matches none, or is not JSON, is dropped without a trace
  })
  default = {}

  validation {
    condition     = var.mapping.batch_size >= 1 && var.mapping.batch_size <= 10000 && floor(var.mapping.batch_size) == var.mapping.batch_size
    error_message = "Lambda takes 1 to 10000 records a batch: change mapping.batch_size."
  }

  validation {
    condition     = var.mapping.window_seconds >= 0 && var.mapping.window_seconds <= 300 && floor(var.mapping.window_seconds) == var.mapping.window_seconds
    error_message = "A batch is filled for 0 to 300 whole seconds: change mapping.window_seconds."
  }

  validation {
    condition     = var.mapping.parallelization_factor >= 1 && var.mapping.parallelization_factor <= 10 && floor(var.mapping.parallelization_factor) == var.mapping.parallelization_factor
    error_message = "mapping.parallelization_factor is 1 to 10: for more concurrency add shards."
  }

  validation {
    condition     = var.mapping.maximum_retry_attempts >= 0 && var.mapping.maximum_retry_attempts <= 10000 && floor(var.mapping.maximum_retry_attempts) == var.mapping.maximum_retry_attempts
    error_message = "mapping.maximum_retry_attempts is 0 to 10000; endless retries (-1) would let one bad record hold up its shard until it expires."
  }

  validation {
    condition     = var.mapping.maximum_record_age_seconds >= 60 && var.mapping.maximum_record_age_seconds <= 604800 && floor(var.mapping.maximum_record_age_seconds) == var.mapping.maximum_record_age_seconds
    error_message = "mapping.maximum_record_age_seconds is 60 to 604800; an endless age (-1) would let the stream expire records that no on-failure document holds."
  }

  validation {
    condition     = var.mapping.maximum_record_age_seconds <= var.input_stream.retention_hours * 3600
    error_message = "The stream would expire a record before the mapping gives it up to the on-failure destination, and the record would be lost: lower mapping.maximum_record_age_seconds or raise the stream's retention_hours."
  }

  validation {
    condition     = contains(["TRIM_HORIZON", "LATEST", "AT_TIMESTAMP"], var.mapping.starting_position)
    error_message = "mapping.starting_position is TRIM_HORIZON, LATEST or AT_TIMESTAMP."
  }

  validation {
    condition     = (var.mapping.starting_position == "AT_TIMESTAMP") == can(formatdate("YYYY", var.mapping.starting_timestamp))
    error_message = "mapping.starting_timestamp (RFC 3339, such as 2026-11-21T00:00:00Z) goes with starting_position = \"AT_TIMESTAMP\", and only with it."
  }

  validation {
    condition     = length(var.mapping.filter_patterns) <= 5
    error_message = "A mapping takes 5 filter patterns: merge some into one."
  }

  validation {
    condition     = alltrue([for pattern in var.mapping.filter_patterns : can(keys(jsondecode(pattern))) && try(length(setsubtract(keys(jsondecode(pattern)), ["data"])) == 0, false)])
    error_message = "A filter pattern is a JSON object with the one key \"data\": for this contract only the record's data can be filtered, e.g. {\"data\": {\"ride\": {\"PULocationID\": [130]}}}."
  }
}

variable "output_stream" {
  description = "The output stream."
  type = object({
    name        = string
    arn         = string
    kms_key_arn = optional(string) # null: encrypted with AWS's own key, or not at all
  })

  validation {
    condition     = var.output_stream.arn != var.input_stream.arn
    error_message = "A consumer that puts its predictions on the stream it reads would feed on them forever: give it an output stream of its own."
  }
}

variable "dead_letters" {
  description = "Location of dead letters and on-failure documents."
  type = object({
    bucket            = string
    bucket_arn        = string
    prefix            = string                         # no other consumer's: the same stream gives the same keys
    on_failure_prefix = optional(string, "aws/lambda") # Lambda's own layout
  })

  validation {
    condition     = can(regex("^[a-zA-Z0-9!_.-]+(/[a-zA-Z0-9!_.-]+)*$", var.dead_letters.prefix))
    error_message = "dead_letters.prefix is a path without a slash at either end."
  }
}

variable "model" {
  description = "The model, unless it is baked into the image."
  type = object({
    location    = optional(string) # s3://bucket/folder, or a path in the image; null: the image's own
    digest      = optional(string) # sha256 of the model directory, obligatory for a pickled model
    kms_key_arn = optional(string) # key of the bucket of an s3:// location
  })
  default = {}
}

variable "challenger" {
  description = "A second model that scores each batch after the first (docs/challenger.md); null: none. Add 512 MB to function.memory_mb for it."
  type = object({
    location    = string           # as model.location
    digest      = optional(string) # sha256 of the model directory, obligatory for a pickled model
    kms_key_arn = optional(string) # key of the bucket of an s3:// location
    threshold   = optional(number) # difference of two numbers above which the models disagree; null: 0
    timeout_ms  = optional(number) # how long a batch's answer waits for the challenger; null: 2000
    stream = optional(object({     # where its predictions go; null: nowhere
      name        = string
      arn         = string
      kms_key_arn = optional(string) # null: encrypted with AWS's own key, or not at all
    }))
  })
  default = null

  validation {
    condition     = var.challenger == null || try(length(var.challenger.location) > 0, false)
    error_message = "challenger.location is the second model. Without a challenger, leave challenger out."
  }

  validation {
    condition     = var.challenger == null || try(var.challenger.stream.arn != var.input_stream.arn, true)
    error_message = "challenger.stream is the input stream, so the challenger's predictions would come back as events: name another."
  }

  validation {
    condition     = var.challenger == null || try(var.challenger.stream.arn != var.output_stream.arn, true)
    error_message = "challenger.stream is the output stream, so readers could not distinguish the predictions of challenger and model: name another."
  }

  validation {
    condition     = var.challenger == null || try(var.challenger.threshold >= 0, true)
    error_message = "challenger.threshold is a difference, 0 or more, in the unit of the prediction."
  }

  validation {
    condition     = var.challenger == null || try(var.challenger.timeout_ms >= 1 && floor(var.challenger.timeout_ms) == var.challenger.timeout_ms, true)
    error_message = "challenger.timeout_ms is a whole number of milliseconds, 1 or more."
  }

  validation {
    condition     = var.challenger == null || try(var.challenger.timeout_ms < var.function.timeout_seconds * 1000, true)
    error_message = "The challenger is asked only if challenger.timeout_ms is left, which would never happen: lower challenger.timeout_ms below function.timeout_seconds."
  }
}

variable "environment" {
  description = "More settings of the handler. docs/settings.md has a table of all."
  type        = map(string)
  default     = {}

  validation {
    condition = length(setintersection(keys(var.environment), [
      "PREDICTIONS_STREAM_NAME", "MODEL_LOCATION", "MODEL_BUCKET", "MLFLOW_EXPERIMENT_ID", "MODEL_DIGEST", "DEAD_LETTER_BUCKET", "DEAD_LETTER_PREFIX",
      "CHALLENGER_LOCATION", "CHALLENGER_DIGEST", "CHALLENGER_STREAM", "CHALLENGER_THRESHOLD", "CHALLENGER_TIMEOUT_MS",
      "POWERTOOLS_SERVICE_NAME", "POWERTOOLS_METRICS_NAMESPACE", "POWERTOOLS_LOG_LEVEL",
    ])) == 0
    error_message = "These settings follow from other variables (output_stream, model, challenger, dead_letters, function.log_level, name), and so do the permissions and alarms: change those variables instead of environment."
  }

  validation {
    condition     = alltrue([for key in ["TEST_RUN", "RETURN_PREDICTIONS"] : !contains(["true", "True", "1"], lookup(var.environment, key, "false"))])
    error_message = "TEST_RUN and RETURN_PREDICTIONS are for tests: on a mapping, TEST_RUN would checkpoint past records without publishing anything."
  }
}

variable "release" {
  description = "Version that the mapping invokes. null: the newest."
  type = object({
    version       = string              # the number of a published version
    canary_weight = optional(number, 0) # share of the batches that the newest version gets, 0..1
  })
  default = null
}
