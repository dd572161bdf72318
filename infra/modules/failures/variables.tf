variable "name" {
  description = "Name of the bucket: unique in the whole of AWS."
  type        = string
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

variable "dead_letter_prefix" {
  description = "Location of the consumers' dead letters. Each consumer adds its name, so that consumers of one stream do not overwrite each other's."
  type        = string
  default     = "dead-letters"

  validation {
    condition     = can(regex("^[a-zA-Z0-9!_.-]+(/[a-zA-Z0-9!_.-]+)*$", var.dead_letter_prefix)) && !contains(["aws", "profiles"], split("/", var.dead_letter_prefix)[0])
    error_message = "The dead-letter prefix is a path without a slash at either end, and not under aws/, where Lambda writes its own documents, or profiles/, where the monitor does."
  }
}

variable "keep_days" {
  description = "Days for which a dead letter or an on-failure document can be redriven."
  type        = number
  default     = 180
}

variable "keep_profile_days" {
  description = "Days to keep the profiles of windows. Older drift cannot be looked up."
  type        = number
  default     = 400
}

variable "force_destroy" {
  description = "Let `terraform destroy` delete dead letters that were never redriven."
  type        = bool
  default     = false
}
