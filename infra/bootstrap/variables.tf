variable "environment" {
  description = "Second part of every name, such as dev or prod: the one value that a newcomer sets."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9]{1,9}$", var.environment)) && var.environment != "deploy"
    error_message = "environment is 2 to 10 lower-case letters and digits, a letter first, and not deploy, by which the deploy role is named."
  }
}

variable "account_id" {
  description = "The account to deploy to, which `make bootstrap` takes from the caller; credentials of any other are refused."
  type        = string

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id is the account's twelve digits, as a string."
  }
}

variable "region" {
  description = "Region to deploy to, which `make bootstrap` takes from the profile."
  type        = string
}

variable "name" {
  description = "First part of every name, as in modules/system."
  type        = string
  default     = "stream-consumer"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,24}$", var.name))
    error_message = "name is 2 to 25 lower-case letters, digits and hyphens, a letter first: bucket names are made from it."
  }
}

variable "kms_key_arn" {
  description = "A key of yours for streams, buckets, logs and alarms, whose policy says what key.tf says; null: one is made."
  type        = string
  default     = null
}

variable "github_repository" {
  description = "Repository on GitHub, owner/name, whose workflows may deploy; null: none, and there is no deploy role."
  type        = string
  default     = null

  validation {
    condition     = var.github_repository == null || can(regex("^[A-Za-z0-9-]+/[A-Za-z0-9._-]+$", var.github_repository))
    error_message = "github_repository is owner/name, without wildcards: its workflows may deploy."
  }
}

variable "makes_github_provider" {
  description = "Whether GitHub's identity provider is made here; an account has one, and `make bootstrap` looks whether it is there."
  type        = bool
  default     = true
}

variable "roles" {
  description = "What an organisation asks of every role; modules/function says what it may be. With a boundary, the deploy role can make no role without it."
  type = object({
    path                 = optional(string, "/")
    permissions_boundary = optional(string) # ARN of a policy; null: none
  })
  default = {}
}

variable "streams" {
  description = "Names of streams that the environment names otherwise than <name>-<environment>-…: the deploy role may make them too."
  type        = list(string)
  default     = []
}

variable "buckets" {
  description = "Buckets of yours whose notifications a deployment owns: the deploy role may set them."
  type        = list(string)
  default     = []
}

variable "found" {
  description = "What there is already, by kind; `make bootstrap` looks for it."
  type        = map(string)
  default     = {}
}
