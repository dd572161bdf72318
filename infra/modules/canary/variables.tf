variable "name" {
  description = "Name of the role and of the group of schedules."
  type        = string
}

variable "account" {
  description = "Account of the functions, for ARNs."
  type = object({
    id        = string                  # twelve digits
    region    = string                  # e.g. eu-west-1
    partition = optional(string, "aws") # aws, aws-cn or aws-us-gov
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

variable "functions" {
  description = "Names of the functions that may have a canary."
  type        = set(string)
}

variable "until" {
  description = "Latest end of the running canaries, RFC 3339 in UTC, by name of the function."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for time in values(var.until) : can(formatdate("YYYY", time)) && endswith(time, "Z")])
    error_message = "A canary's canary_until is a time in UTC, such as 2026-11-27T16:10:00Z."
  }
}
