variable "name" {
  description = "Name of the function, its role, its log group, its security group and, unless consumer_group says otherwise, its consumer group; the dimension `service` of its metrics."
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
  description = "The image, by digest, so that exactly the tested image runs. With an output topic, the image needs Kafka's library (docs/kafka.md)."
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

variable "cluster" {
  description = "Your cluster: Amazon MSK by its ARN, or any other by its brokers."
  type = object({
    arn                 = optional(string)           # of Amazon MSK, in this account; null: a cluster of your own
    brokers             = optional(list(string), []) # host:port; of MSK: aws kafka get-bootstrap-brokers
    authentication      = optional(string, "tls")    # tls, scram-sha-512, scram-sha-256, plain, mtls, or with MSK iam
    secret_arn          = optional(string)           # with username and password, or certificate and privateKey
    ca_secret_arn       = optional(string)           # with the certificate of your own authority
    secrets_kms_key_arn = optional(string)           # key of these secrets; null: AWS's own
  })

  validation {
    condition     = var.cluster.arn == null || can(regex("^arn:[a-z-]+:kafka:[a-z0-9-]+:[0-9]{12}:cluster/[^/]+/[^/]+$", var.cluster.arn))
    error_message = "cluster.arn is the ARN of a cluster of Amazon MSK, arn:aws:kafka:<region>:<account>:cluster/<name>/<id>."
  }

  validation {
    condition     = var.cluster.arn != null || length(var.cluster.brokers) > 0
    error_message = "A cluster is named by its ARN (Amazon MSK) or by its brokers: set cluster.arn or cluster.brokers."
  }

  validation {
    condition     = alltrue([for broker in var.cluster.brokers : can(regex("^[A-Za-z0-9_.-]+:[0-9]{1,5}$", broker))])
    error_message = "A broker is host:port, such as b-1.rides.example.com:9098: change cluster.brokers."
  }

  validation {
    condition     = contains(["tls", "scram-sha-512", "scram-sha-256", "plain", "mtls", "iam"], var.cluster.authentication)
    error_message = "cluster.authentication is tls, scram-sha-512, scram-sha-256, plain, mtls or iam; connections without TLS are refused by the function."
  }

  validation {
    condition     = !(var.cluster.authentication == "iam" && var.cluster.arn == null)
    error_message = "Only Amazon MSK has authentication by role: set cluster.arn, or another cluster.authentication."
  }

  validation {
    condition     = !(contains(["plain", "scram-sha-256"], var.cluster.authentication) && var.cluster.arn != null)
    error_message = "With passwords, Amazon MSK only has scram-sha-512: change cluster.authentication."
  }

  validation {
    condition     = contains(["tls", "iam"], var.cluster.authentication) == (var.cluster.secret_arn == null)
    error_message = "tls and iam need no secret, and all other authentications do: set cluster.secret_arn for those only."
  }

  validation {
    condition     = alltrue([for arn in compact([var.cluster.secret_arn, var.cluster.ca_secret_arn]) : can(regex("^arn:[a-z-]+:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:.+-[A-Za-z0-9]{6}$", arn))])
    error_message = "A secret is named by its whole ARN, with the six characters at its end: change cluster.secret_arn or ca_secret_arn."
  }
}

variable "topic" {
  description = "The input topic."
  type        = string

  validation {
    condition     = can(regex("^[a-zA-Z0-9._-]{1,249}$", var.topic))
    error_message = "A topic's name has 1 to 249 letters, digits, dots, underscores and hyphens."
  }
}

variable "consumer_group" {
  description = "Consumer group with the mapping's offsets. null: the function's name. A new group reads from mapping.starting_position."
  type        = string
  default     = null

  validation {
    condition     = var.consumer_group == null || can(regex("^[a-zA-Z0-9-/*:_+=.@]{1,200}$", var.consumer_group)) && !can(regex("[*/]", var.consumer_group))
    error_message = "A consumer group's name has 1 to 200 letters, digits and - : _ + = . @, and no * or /, which would widen the role's permissions."
  }
}

variable "network" {
  description = "Subnets of the function, and the addresses of the brokers. null: no VPC, for a cluster on the internet, or for Amazon MSK with an output stream."
  type = object({
    vpc_id                    = string
    subnet_ids                = set(string)
    broker_security_group_ids = optional(set(string), [])            # of the brokers, in this VPC or a peered one
    broker_cidr_blocks        = optional(set(string), [])            # of brokers that are elsewhere
    https_cidr_blocks         = optional(set(string), ["0.0.0.0/0"]) # of the endpoints of AWS's services; by a NAT gateway or for S3's endpoint: everywhere
  })
  default = null

  validation {
    condition     = var.network == null || try(startswith(var.network.vpc_id, "vpc-"), false)
    error_message = "network.vpc_id is a VPC, vpc-…: the security group is made there."
  }

  validation {
    condition     = var.network == null || try(length(var.network.broker_security_group_ids) + length(var.network.broker_cidr_blocks) > 0 || length(var.cluster.brokers) == 0, false)
    error_message = "The function could not reach the brokers: set network.broker_security_group_ids or broker_cidr_blocks."
  }

  validation {
    condition     = !(var.network == null && var.cluster.arn != null && var.output.topic != null)
    error_message = "The brokers of Amazon MSK are reached from their VPC, and the function writes to them: set network."
  }
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
    log_level               = optional(string, "INFO")
    log_retention_days      = optional(number, 365)
  })
  default = {}

  validation {
    condition     = var.function.timeout_seconds <= 840
    error_message = "A function behind a Kafka mapping may run for 14 minutes: set function.timeout_seconds to 840 or less."
  }

  validation {
    condition     = !var.mapping.provisioned || var.function.timeout_seconds * (var.mapping.maximum_retry_attempts + 1) < var.mapping.maximum_record_age_seconds
    error_message = "If every attempt timed out, records would grow too old before their retries are used up: lower function.timeout_seconds or mapping.maximum_retry_attempts, or raise mapping.maximum_record_age_seconds above timeout × (retries + 1)."
  }
}

variable "mapping" {
  description = "Reading of the topic by Lambda, and the handling of failed batches."
  type = object({
    enabled        = optional(bool, true)
    batch_size     = optional(number, 1000)
    window_seconds = optional(number, 1)  # how long a batch may wait to be filled
    provisioned    = optional(bool, true) # pollers of its own, billed by the hour; false: Lambda's, and a batch that fails comes back whole
    pollers = optional(object({
      minimum = optional(number, 1)
      maximum = optional(number, 4)
    }), {})
    maximum_retry_attempts     = optional(number, 10)             # if provisioned
    maximum_record_age_seconds = optional(number, 86400)          # if provisioned
    starting_position          = optional(string, "TRIM_HORIZON") # of a new consumer group: TRIM_HORIZON, LATEST or AT_TIMESTAMP
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
    condition     = var.mapping.pollers.minimum >= 1 && var.mapping.pollers.minimum <= 200 && var.mapping.pollers.minimum <= var.mapping.pollers.maximum && var.mapping.pollers.maximum <= 2000
    error_message = "A mapping has 1 to 200 pollers at least, and no more than its maximum, which is 2000 or less: change mapping.pollers."
  }

  validation {
    condition     = var.mapping.maximum_retry_attempts >= 0 && var.mapping.maximum_retry_attempts <= 10000 && floor(var.mapping.maximum_retry_attempts) == var.mapping.maximum_retry_attempts
    error_message = "mapping.maximum_retry_attempts is 0 to 10000; endless retries (-1) would let one bad record hold up its partition until it expires."
  }

  validation {
    condition     = var.mapping.maximum_record_age_seconds >= 60 && var.mapping.maximum_record_age_seconds <= 604800 && floor(var.mapping.maximum_record_age_seconds) == var.mapping.maximum_record_age_seconds
    error_message = "mapping.maximum_record_age_seconds is 60 to 604800; an endless age (-1) would let the topic expire records that no on-failure document holds."
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
    condition     = alltrue([for pattern in var.mapping.filter_patterns : can(keys(jsondecode(pattern))) && try(length(setsubtract(keys(jsondecode(pattern)), ["value"])) == 0, false)])
    error_message = "A filter pattern is a JSON object with the one key \"value\": for this contract only the record's value can be filtered, e.g. {\"value\": {\"ride\": {\"PULocationID\": [130]}}}."
  }
}

variable "output" {
  description = "Target of predictions: a topic of the same cluster, or a Kinesis stream."
  type = object({
    topic = optional(string)
    stream = optional(object({
      name        = string
      arn         = string
      kms_key_arn = optional(string) # null: encrypted with AWS's own key, or not at all
    }))
  })

  validation {
    condition     = (var.output.topic == null) != (var.output.stream == null)
    error_message = "Predictions go to a topic or to a stream: set output.topic or output.stream, and not both."
  }

  validation {
    condition     = var.output.topic == null || can(regex("^[a-zA-Z0-9._-]{1,249}$", var.output.topic))
    error_message = "A topic's name has 1 to 249 letters, digits, dots, underscores and hyphens: change output.topic."
  }

  validation {
    condition     = var.output.topic == null || var.output.topic != var.topic
    error_message = "A consumer that puts its predictions on the topic it reads would feed on them forever: give it an output.topic of its own."
  }

  validation {
    condition     = var.output.topic == null || length(var.cluster.brokers) > 0
    error_message = "The function writes to the brokers, and the ARN does not name them: set cluster.brokers (aws kafka get-bootstrap-brokers)."
  }
}

variable "dead_letters" {
  description = "Location of dead letters and on-failure documents."
  type = object({
    bucket            = string
    bucket_arn        = string
    prefix            = string                         # no other consumer's: the same topic gives the same keys
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

variable "environment" {
  description = "More settings of the handler. The README has a table of all."
  type        = map(string)
  default     = {}

  validation {
    condition = length(setintersection(keys(var.environment), [
      "PREDICTIONS_STREAM_NAME", "PREDICTIONS_TOPIC", "KAFKA_BROKERS", "KAFKA_AUTHENTICATION", "KAFKA_SECRET_ARN", "KAFKA_CA_SECRET_ARN", "KAFKA_PARTIAL_RESPONSE",
      "MODEL_LOCATION", "MODEL_BUCKET", "MLFLOW_EXPERIMENT_ID", "MODEL_DIGEST", "DEAD_LETTER_BUCKET", "DEAD_LETTER_PREFIX",
      "POWERTOOLS_SERVICE_NAME", "POWERTOOLS_METRICS_NAMESPACE", "POWERTOOLS_LOG_LEVEL",
    ])) == 0
    error_message = "These settings follow from other variables (cluster, output, mapping.provisioned, model, dead_letters, function.log_level, name), and so do the permissions and alarms: change those variables instead of environment."
  }

  validation {
    condition     = alltrue([for key in ["TEST_RUN", "RETURN_PREDICTIONS"] : !contains(["true", "True", "1"], lookup(var.environment, key, "false"))])
    error_message = "TEST_RUN and RETURN_PREDICTIONS are for tests: on a mapping, TEST_RUN would keep offsets past records without publishing anything."
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

variable "alarms" {
  description = "Receivers and thresholds of alarms."
  type = object({
    topic_arn       = string                  # of SNS
    offset_lag      = optional(number, 10000) # records
    duration_share  = optional(number, 0.8)   # of the timeout
    dead_letters    = optional(number, 0)     # in five minutes
    no_data_minutes = optional(number, 60)    # 0: silence is fine
  })

  validation {
    condition     = var.alarms.offset_lag >= 0 && var.alarms.duration_share > 0 && var.alarms.duration_share <= 1 && var.alarms.dead_letters >= 0 && var.alarms.no_data_minutes >= 0
    error_message = "alarms.offset_lag, dead_letters and no_data_minutes are 0 or more, and duration_share is more than 0 and at most 1."
  }
}
