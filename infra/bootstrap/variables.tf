variable "environment" {
  description = "Second part of every name, such as dev or prod. The only value that a newcomer has to set."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9]{1,9}$", var.environment)) && var.environment != "deploy"
    error_message = "environment is 2 to 10 lower-case letters and digits, begins with a letter, and is not deploy, the name of the deploy role."
  }
}

variable "account_id" {
  description = "The account to deploy to, from the caller of `make bootstrap`. Credentials of another account are refused."
  type        = string

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id is the account's twelve digits, as a string."
  }
}

variable "region" {
  description = "Region to deploy to, from the profile of `make bootstrap`."
  type        = string
}

variable "name" {
  description = "First part of every name, as in modules/system."
  type        = string
  default     = "stream-consumer"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,24}$", var.name))
    error_message = "name is 2 to 25 lower-case letters, digits and hyphens, and begins with a letter: bucket names are made from it."
  }
}

variable "kms_key_arn" {
  description = "Your own key for streams, buckets, logs and alarms, with the policy in key.tf. null: a key is made."
  type        = string
  default     = null
}

variable "github_repository" {
  description = "Repository on GitHub, owner/name, whose workflows may deploy. null: no deploy role."
  type        = string
  default     = null

  validation {
    condition     = var.github_repository == null || can(regex("^[A-Za-z0-9-]+/[A-Za-z0-9._-]+$", var.github_repository))
    error_message = "github_repository is owner/name, without wildcards: its workflows may deploy."
  }
}

variable "makes_github_provider" {
  description = "Whether to make GitHub's identity provider. An account has only one, and `make bootstrap` checks whether it exists."
  type        = bool
  default     = true
}

variable "roles" {
  description = "Your organisation's rules for every role. Attributes: modules/function. With a boundary, the deploy role can make no role without it."
  type = object({
    path                 = optional(string, "/")
    permissions_boundary = optional(string) # ARN of a policy; null: none
  })
  default = {}
}

variable "streams" {
  description = "Names of streams without the prefix <name>-<environment>-. The deploy role may also make these."
  type        = list(string)
  default     = []
}

variable "buckets" {
  description = "Your buckets whose notifications a deployment owns. The deploy role may set them."
  type        = list(string)
  default     = []
}

variable "found" {
  description = "Existing resources, by kind, as `make bootstrap` found them."
  type        = map(string)
  default     = {}
}
