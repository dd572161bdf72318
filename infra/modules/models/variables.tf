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

variable "keep_training_days" {
  description = "Days for which training data and the outputs of training jobs are kept; models are kept forever."
  type        = number
  default     = 400
}
