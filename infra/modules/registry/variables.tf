variable "name" {
  description = "Name of the repository."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9]+([._/-][a-z0-9]+)*$", var.name)) && length(var.name) >= 2 && length(var.name) <= 256
    error_message = "A repository name is 2 to 256 lower-case letters and digits, with single dots, hyphens, underscores or slashes between them."
  }
}

variable "function_arns" {
  description = "Functions that may use the images."
  type        = list(string)
  default     = []
}

variable "keep_images" {
  description = "Number of the newest images to keep of each kind. A rollback reaches no further."
  type        = number
  default     = 30

  validation {
    condition     = var.keep_images >= 2
    error_message = "Keep 2 images or more: with one there is nothing to roll back to."
  }
}
