variable "name" {
  description = "Name of the bucket: unique in the whole of AWS."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$", var.name))
    error_message = "A bucket name is 3 to 63 lower-case letters, digits and hyphens, with a letter or digit at start and end: shorten or change the name."
  }
}

variable "kms_key_arn" {
  description = "Key that encrypts every object."
  type        = string
}

variable "partition" {
  description = "AWS partition of the account."
  type        = string
  default     = "aws"
}

variable "expire_days" {
  description = "Key prefix (or \"\" for all keys) to the days after which its objects are deleted. Objects with other prefixes are kept forever."
  type        = map(number)
  default     = {}

  validation {
    condition     = alltrue([for days in values(var.expire_days) : days >= 1 && floor(days) == days])
    error_message = "Objects expire after a whole number of days, 1 or more: leave a prefix out to keep its objects forever."
  }
}

variable "noncurrent_days" {
  description = "Days in which an overwritten or deleted version can be restored."
  type        = number
  default     = 30

  validation {
    condition     = var.noncurrent_days >= 1 && floor(var.noncurrent_days) == var.noncurrent_days
    error_message = "Keep old versions for a whole number of days, 1 or more."
  }
}

variable "force_destroy" {
  description = "Let `terraform destroy` delete the bucket with its content."
  type        = bool
  default     = false
}
