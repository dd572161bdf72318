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
  description = "Where the consumers' dead letters go; each consumer adds its own name, for two consumers of one stream would otherwise overwrite each other's."
  type        = string
  default     = "dead-letters"

  validation {
    condition     = can(regex("^[a-zA-Z0-9!_.-]+(/[a-zA-Z0-9!_.-]+)*$", var.dead_letter_prefix)) && !startswith(var.dead_letter_prefix, "aws/")
    error_message = "The dead-letter prefix is a path without a slash at either end, and not under aws/, where Lambda writes its own documents."
  }
}

variable "keep_days" {
  description = "Days for which a dead letter or an on-failure document can be redriven."
  type        = number
  default     = 180
}

variable "force_destroy" {
  description = "Let `terraform destroy` delete what was never redriven."
  type        = bool
  default     = false
}
