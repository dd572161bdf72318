variable "name" {
  description = "Name of the consumer, after stream-consumer-<environment>-. Part of the names of its function, role, log group and consumer group."
  type        = string
  default     = "kafka"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,19}$", var.name)) && !contains(["web", "batch", "batch-starter", "batch-interval", "ends-canaries"], var.name)
    error_message = "A consumer's name is 1 to 20 lower-case letters, digits and hyphens, begins with a letter, and is not the name of an interface in infra/envs."
  }
}

variable "environment" {
  description = "The environment of `make bootstrap`. Every name here contains it."
  type        = string
}

variable "account_id" {
  description = "The account to deploy to. Credentials of another account are refused. `make bootstrap` writes it to bootstrap.auto.tfvars.json."
  type        = string
}

variable "region" {
  description = "Region to deploy to; `make bootstrap` writes it to bootstrap.auto.tfvars.json."
  type        = string
}

variable "bootstrap" {
  description = "Resources of the bootstrap: key, models bucket, repositories; `make bootstrap` writes it to bootstrap.auto.tfvars.json."
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
  description = "Architecture of the image: arm64 or x86_64."
  type        = string
  default     = "arm64"
}

variable "roles" {
  description = "Your organisation's rules for every role. Attributes: modules/function."
  type        = any
  default     = {}
}

variable "cluster" {
  description = "Your cluster. Attributes: `cluster` of modules/kafka-consumer."
  type        = any
}

variable "topic" {
  description = "The input topic."
  type        = string
}

variable "consumer_group" {
  description = "Consumer group of the mapping; null: the function's name."
  type        = string
  default     = null
}

variable "network" {
  description = "Network of the brokers. Attributes: `network` of modules/kafka-consumer. null: in no VPC."
  type        = any
  default     = null
}

variable "function" {
  description = "Size and warmth of the function. Attributes: `function` of modules/kafka-consumer."
  type        = any
  default     = {}
}

variable "mapping" {
  description = "Reading of the topic by Lambda. Attributes: `mapping` of modules/kafka-consumer."
  type        = any
  default     = {}
}

variable "output" {
  description = "Target of predictions, a topic of the cluster or your Kinesis stream. Attributes: `output` of modules/kafka-consumer."
  type        = any
}

variable "model" {
  description = "The model, unless it is baked into the image. Attributes: `model` of modules/kafka-consumer."
  type        = any
  default     = {}
}

variable "settings" {
  description = "More settings of the handler."
  type        = map(string)
  default     = {}
}

variable "release" {
  description = "Version that the mapping invokes, and the newest version's share of the batches. null: the newest version."
  type        = any
  default     = null
}

variable "alarms" {
  description = "Receivers and thresholds of alarms. Attributes: `alarms` of modules/kafka-consumer."
  type        = any
}

variable "disposable" {
  description = "Let `terraform destroy` delete unread dead letters."
  type        = bool
  default     = false
}
