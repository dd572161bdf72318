variable "name" {
  description = "Name of the function, its role, its log group and the HTTP API; the dimension `service` of its metrics."
  type        = string
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
}

variable "architecture" {
  description = "Architecture of the image: arm64 or x86_64."
  type        = string
  default     = "arm64"
}

variable "endpoint" {
  description = "function_url: free, with reserved concurrency as its only limit. http_api: a rate limit, access logs, $1 per million requests."
  type        = string
  default     = "function_url"

  validation {
    condition     = contains(["function_url", "http_api"], var.endpoint)
    error_message = "endpoint is function_url or http_api."
  }
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
  description = "Size and warmth of the function. Attributes: modules/function."
  type = object({
    memory_mb               = optional(number, 1769)
    timeout_seconds         = optional(number, 15)
    snap_start              = optional(bool, false)
    provisioned_concurrency = optional(number, 0)
    reserved_concurrency    = optional(number, 10)  # requests answered at once; a URL takes ten times as many a second, and no more
    tracing                 = optional(bool, false) # send traces of sampled invocations to X-Ray, billed by the trace
    log_level               = optional(string, "INFO")
    log_retention_days      = optional(number, 365)
  })
  default = {}

  validation {
    condition     = var.endpoint != "http_api" || var.function.timeout_seconds <= 29
    error_message = "An HTTP API waits 30 seconds for an answer: set function.timeout_seconds to 29 or less, or endpoint = \"function_url\"."
  }

  validation {
    condition     = var.function.reserved_concurrency >= 1 && floor(var.function.reserved_concurrency) == var.function.reserved_concurrency
    error_message = "function.reserved_concurrency is 1 or more: without it a flood of requests would take the account's concurrency from the stream's consumers."
  }
}

variable "allowed_principals" {
  description = "Callers of a function URL: ARNs of roles, users or accounts, also of other accounts. If empty, a caller of this account needs the output `caller_policy`."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for principal in var.allowed_principals : can(regex("^([0-9]{12}|arn:[a-z-]+:iam::[0-9]{12}:(root|role/[^*]+|user/[^*]+))$", principal))])
    error_message = "An element of allowed_principals is an account's twelve digits or the ARN of a role or user; \"*\" would be everybody."
  }

  validation {
    condition     = var.endpoint == "function_url" || length(var.allowed_principals) == 0
    error_message = "An HTTP API has no policy of its own that could let principals in: attach the output `caller_policy` to the callers' roles, and leave allowed_principals empty."
  }
}

variable "public_without_authentication" {
  description = "Answer everybody on the internet. False: only requests that an allowed principal of AWS has signed."
  type        = bool
  default     = false

  validation {
    condition     = !var.public_without_authentication || var.endpoint == "http_api"
    error_message = "A function URL is not made public here: it would need a permission for everybody to invoke the function, which provider 5.100 cannot narrow to the URL. Set endpoint = \"http_api\", which has a rate limit and logs too."
  }
}

variable "throttle" {
  description = "Rate limit of an HTTP API. Further requests get 429."
  type = object({
    requests_per_second = optional(number, 50)
    burst               = optional(number, 100) # requests at once
  })
  default = {}

  validation {
    condition     = var.throttle.requests_per_second >= 1 && var.throttle.requests_per_second <= 10000 && var.throttle.burst >= 1 && var.throttle.burst <= 5000
    error_message = "An account has 10000 requests a second and bursts of 5000 by default: change throttle."
  }
}

variable "cors" {
  description = "Origins whose pages may call it from a browser. null: none."
  type = object({
    allow_origins   = list(string)
    allow_methods   = optional(list(string), ["GET", "POST"])
    allow_headers   = optional(list(string), ["authorization", "content-type", "x-amz-content-sha256", "x-amz-date", "x-amz-security-token"])
    max_age_seconds = optional(number, 300)
  })
  default = null

  validation {
    condition     = var.cors == null || alltrue([for origin in try(var.cors.allow_origins, []) : can(regex("^https://[^*/]+$", origin))])
    error_message = "An element of cors.allow_origins is https:// and a host, without a path or wildcard."
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
  description = "More settings of the web interface."
  type        = map(string)
  default     = {}

  validation {
    condition     = length(setintersection(keys(var.environment), ["MODEL_LOCATION", "MODEL_DIGEST", "WEB_TOKEN"])) == 0
    error_message = "MODEL_LOCATION and MODEL_DIGEST follow from model; WEB_TOKEN is for `serve`: here IAM authenticates the callers, and a secret does not belong into a setting."
  }
}

variable "release" {
  description = "Version that answers. null: the newest."
  type = object({
    version       = string              # the number of a published version
    canary_weight = optional(number, 0) # share of the requests that the newest version gets, 0..1
  })
  default = null
}

variable "alarms" {
  description = "Thresholds of the alarms."
  type = object({
    topic_arn      = string                 # modules/observability has one
    latency_ms     = optional(number, 1000) # of 99 in 100 requests
    duration_share = optional(number, 0.8)  # of the timeout
  })

  validation {
    condition     = var.alarms.latency_ms >= 1 && var.alarms.latency_ms < var.function.timeout_seconds * 1000
    error_message = "alarms.latency_ms is 1 or more and less than the timeout, after which there is no answer at all."
  }

  validation {
    condition     = var.alarms.duration_share > 0 && var.alarms.duration_share < 1
    error_message = "alarms.duration_share is a share of the timeout, between 0 and 1."
  }
}
