variable "name" {
  description = "What the consumer is called, after stream-consumer-<environment>-: its function, role, log group and consumer group."
  type        = string
  default     = "kafka"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,19}$", var.name)) && !contains(["web", "batch", "batch-starter", "batch-interval", "ends-canaries"], var.name)
    error_message = "A consumer's name is 1 to 20 lower-case letters, digits and hyphens, a letter first, and no interface of infra/envs has it."
  }
}

variable "environment" {
  description = "The environment that `make bootstrap` made: its name is in every name here."
  type        = string
}

variable "account_id" {
  description = "The account to deploy to; credentials of any other are refused. `make bootstrap` writes it to bootstrap.auto.tfvars.json."
  type        = string
}

variable "region" {
  description = "Region to deploy to; `make bootstrap` writes it to bootstrap.auto.tfvars.json."
  type        = string
}

variable "bootstrap" {
  description = "What the environment stands on: key, models bucket, repositories; `make bootstrap` writes it to bootstrap.auto.tfvars.json."
  type        = any
}

variable "image_digest" {
  description = "Digest of the image to run, sha256:…; `make publish` prints it."
  type        = string

  validation {
    condition     = can(regex("^sha256:[0-9a-f]{64}$", var.image_digest))
    error_message = "image_digest is sha256: and 64 hex digits, as `make publish` prints it."
  }
}

variable "architecture" {
  description = "What the image was built for: arm64 or x86_64."
  type        = string
  default     = "arm64"
}

variable "roles" {
  description = "What your organisation asks of every role; modules/function says what it may hold."
  type        = any
  default     = {}
}

variable "cluster" {
  description = "Your cluster; `cluster` of modules/kafka-consumer says what it may hold."
  type        = any
}

variable "topic" {
  description = "The topic that is read."
  type        = string
}

variable "consumer_group" {
  description = "Consumer group of the mapping; null: the function's name."
  type        = string
  default     = null
}

variable "network" {
  description = "Where the brokers are reached from; `network` of modules/kafka-consumer says what it may hold. null: in no VPC."
  type        = any
  default     = null
}

variable "function" {
  description = "Size and warmth of the function; `function` of modules/kafka-consumer says what it may hold."
  type        = any
  default     = {}
}

variable "mapping" {
  description = "How Lambda reads the topic; `mapping` of modules/kafka-consumer says what it may hold."
  type        = any
  default     = {}
}

variable "output" {
  description = "Where predictions go, a topic of the cluster or a Kinesis stream of yours; `output` of modules/kafka-consumer says what it may hold."
  type        = any
}

variable "model" {
  description = "The model, unless it is baked into the image; `model` of modules/kafka-consumer says what it may hold."
  type        = any
  default     = {}
}

variable "settings" {
  description = "More settings of the handler."
  type        = map(string)
  default     = {}
}

variable "release" {
  description = "Which version the mapping invokes, and the share of the batches that the newest one gets; null: the newest."
  type        = any
  default     = null
}

variable "alarms" {
  description = "Who is told, and when; `alarms` of modules/kafka-consumer says what it may hold."
  type        = any
}

variable "disposable" {
  description = "Let `terraform destroy` delete dead letters that nobody has looked at."
  type        = bool
  default     = false
}
