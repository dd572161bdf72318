variable "name" {
  description = "First part of every name."
  type        = string

  validation {
    condition     = can(regex("^[a-zA-Z][a-zA-Z0-9-]{1,40}$", var.name))
    error_message = "name is 2 to 41 letters, digits and hyphens, and begins with a letter: the rules' names are made from it."
  }
}

variable "account" {
  description = "The account to deploy to, for ARNs."
  type = object({
    id        = string                  # twelve digits
    region    = string                  # e.g. eu-west-1
    partition = optional(string, "aws") # aws, aws-cn or aws-us-gov
  })
}

variable "environment" {
  description = "GitHub's name of the environment to release to."
  type        = string
}

variable "repository" {
  description = "Repository on GitHub, owner/name, whose workflow releases."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9-]+/[A-Za-z0-9._-]+$", var.repository))
    error_message = "repository is owner/name, as GitHub shows it."
  }
}

variable "api_url" {
  description = "URL of GitHub's API. An enterprise server has https://HOST/api/v3."
  type        = string
  default     = "https://api.github.com"

  validation {
    condition     = can(regex("^https://[^/]+(/[^?#]*[^/?#])?$", var.api_url))
    error_message = "api_url begins with https://, for a token goes there, and has no slash at its end."
  }
}

variable "bucket" {
  description = "Bucket of the models, with events to EventBridge."
  type        = string
}

variable "models" {
  description = "Models whose new champion is released: models/<model>/champion.json of the bucket."
  type        = set(string)

  validation {
    condition     = length(var.models) > 0 && alltrue([for model in var.models : can(regex("^[A-Za-z0-9._-]+$", model)) && length(model) <= 63 - length(var.name)])
    error_message = "models has one name or more, of letters, digits, dots, hyphens and underscores; a rule is called <name>-<model>, and has at most 64 characters."
  }
}

variable "roles" {
  description = "Your organisation's rules for every role. Attributes: modules/function."
  type = object({
    path                 = optional(string, "/")
    permissions_boundary = optional(string) # ARN of a policy; null: none
  })
  default = {}
}

variable "alarms" {
  description = "Thresholds of the alarms."
  type = object({
    topic_arn = string
  })
}
