variable "name" {
  description = "Name of the function, its role and its log group; the dimension `service` of its metrics."
  type        = string

  validation {
    condition     = can(regex("^[a-zA-Z0-9_-]{1,64}$", var.name))
    error_message = "A function name is 1 to 64 letters, digits, hyphens and underscores: shorten the prefix or the name."
  }
}

variable "description" {
  description = "Description of the function, for people."
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
  description = "Key that encrypts the log group."
  type        = string
}

variable "image_uri" {
  description = "The image, by digest, so that exactly the tested image runs."
  type        = string

  validation {
    condition     = can(regex("@sha256:[0-9a-f]{64}$", var.image_uri))
    error_message = "Name the image by digest, <repository>@sha256:<64 hex digits>: a tag may move."
  }
}

variable "handler" {
  description = "Handler of the function. null: the image's default."
  type        = string
  default     = null
}

variable "architecture" {
  description = "Architecture of the image: arm64 or x86_64."
  type        = string
  default     = "arm64"

  validation {
    condition     = contains(["arm64", "x86_64"], var.architecture)
    error_message = "architecture is arm64 or x86_64."
  }
}

variable "function" {
  description = "Size and warmth of the function."
  type = object({
    memory_mb               = optional(number, 1769) # 1,769 MB is one vCPU
    timeout_seconds         = optional(number, 60)   # for one invocation
    snap_start              = optional(bool, false)  # start from a snapshot taken after init
    provisioned_concurrency = optional(number, 0)    # environments kept warm, billed by the hour
    reserved_concurrency    = optional(number)       # concurrency kept for, and capped at, this function; null: the account's pool
    scratch_mb              = optional(number, 512)  # of /tmp
    tracing                 = optional(bool, false)  # send traces of sampled invocations to X-Ray, billed by the trace
    insights                = optional(bool, false)  # let Lambda Insights write, whose extension must be in the image; billed by the metric
    log_level               = optional(string, "INFO")
    log_retention_days      = optional(number, 365)
  })
  default = {}

  validation {
    condition     = var.function.memory_mb >= 128 && var.function.memory_mb <= 10240 && floor(var.function.memory_mb) == var.function.memory_mb
    error_message = "Lambda takes 128 to 10240 MB: change function.memory_mb."
  }

  validation {
    condition     = var.function.timeout_seconds >= 2 && var.function.timeout_seconds <= 900 && floor(var.function.timeout_seconds) == var.function.timeout_seconds
    error_message = "Lambda runs up to 900 seconds, and the handler keeps one of them to answer in: set function.timeout_seconds to 2..900."
  }

  validation {
    condition     = !(var.function.snap_start && var.function.provisioned_concurrency > 0)
    error_message = "SnapStart and provisioned concurrency exclude each other: set function.snap_start = false or function.provisioned_concurrency = 0."
  }

  validation {
    condition     = var.function.provisioned_concurrency >= 0 && floor(var.function.provisioned_concurrency) == var.function.provisioned_concurrency
    error_message = "function.provisioned_concurrency is 0 or more."
  }

  validation {
    condition     = var.function.scratch_mb >= 512 && var.function.scratch_mb <= 10240 && floor(var.function.scratch_mb) == var.function.scratch_mb
    error_message = "Lambda gives /tmp 512 to 10240 MB: change function.scratch_mb."
  }

  validation {
    condition     = var.function.reserved_concurrency == null || try(var.function.reserved_concurrency >= var.function.provisioned_concurrency, false)
    error_message = "Provisioned concurrency is a part of the reserved concurrency: raise function.reserved_concurrency or lower function.provisioned_concurrency."
  }

  validation {
    condition     = contains(["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"], var.function.log_level)
    error_message = "function.log_level is DEBUG, INFO, WARNING, ERROR or CRITICAL."
  }

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.function.log_retention_days)
    error_message = "CloudWatch keeps logs for certain numbers of days only (…, 30, 60, 90, 180, 365, 400, …): change function.log_retention_days."
  }
}

variable "environment" {
  description = "Settings of the handler, without those of logs and metrics."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for key in keys(var.environment) : can(regex("^[a-zA-Z][a-zA-Z0-9_]+$", key)) && !can(regex("^(AWS_|LAMBDA_)", key))])
    error_message = "An environment variable's name begins with a letter and not with AWS_ or LAMBDA_, which are Lambda's own."
  }
}

variable "roles" {
  description = "Your organisation's rules for every role."
  type = object({
    path                 = optional(string, "/")
    permissions_boundary = optional(string) # ARN of a policy; null: none
  })
  default = {}

  validation {
    condition     = can(regex("^/([!-.0-~]+/)*$", var.roles.path)) && length(var.roles.path) <= 512
    error_message = "roles.path begins and ends with a slash, such as /apps/, and has 512 characters at most."
  }

  validation {
    condition     = var.roles.permissions_boundary == null || can(regex("^arn:[a-z-]+:iam::([0-9]{12}|aws):policy/.+$", var.roles.permissions_boundary))
    error_message = "roles.permissions_boundary is the ARN of a policy, arn:aws:iam::<account>:policy/<name>."
  }
}

variable "vpc" {
  description = "Your subnets and security groups for the function. null: no VPC, and AWS's services need no endpoints."
  type = object({
    subnet_ids         = set(string)
    security_group_ids = set(string) # outgoing TLS is enough
  })
  default = null

  validation {
    condition     = var.vpc == null || try(length(var.vpc.subnet_ids) >= 1 && length(var.vpc.subnet_ids) <= 16 && alltrue([for id in var.vpc.subnet_ids : startswith(id, "subnet-")]), false)
    error_message = "Lambda takes 1 to 16 subnets, subnet-…: change vpc.subnet_ids."
  }

  validation {
    condition     = var.vpc == null || try(length(var.vpc.security_group_ids) >= 1 && length(var.vpc.security_group_ids) <= 5 && alltrue([for id in var.vpc.security_group_ids : startswith(id, "sg-")]), false)
    error_message = "Lambda takes 1 to 5 security groups, sg-…: change vpc.security_group_ids."
  }
}

variable "policies" {
  description = "Statements of the role by the name of their policy. The function's own logs are always allowed. Statements that are known only after an apply are in policies of their own, so that a plan shows the rest."
  type        = any
}

variable "release" {
  description = "Version behind the alias. null: the newest."
  type = object({
    version       = string              # the number of a published version
    canary_weight = optional(number, 0) # share of the invocations that the newest version gets, 0..1
  })
  default = null

  validation {
    condition     = var.release == null || can(regex("^[1-9][0-9]*$", var.release.version))
    error_message = "release.version is the number of a published version, such as \"12\": $LATEST cannot be behind an alias with a canary."
  }

  validation {
    condition     = var.release == null || try(var.release.canary_weight >= 0 && var.release.canary_weight <= 1, false)
    error_message = "release.canary_weight is a share, 0 to 1."
  }
}
