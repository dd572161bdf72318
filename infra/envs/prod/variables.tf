# The same file in every environment, held so by the checks: what differs is in main.tf and in the tfvars.

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
  description = "Digest of the image to run, sha256:…; `make deploy` writes it to release.auto.tfvars.json."
  type        = string
}

variable "doors_image_digest" {
  description = "Digest of the full image, sha256:…; `make deploy DOORS=1` writes it to release.auto.tfvars.json."
  type        = string
  default     = null
}

variable "training_image_digest" {
  description = "Digest of the image of training, sha256:…; `make deploy TRAINING=1` writes it to release.auto.tfvars.json."
  type        = string
  default     = null
}

variable "architecture" {
  description = "Architecture of the image, arm64 or x86_64; `make deploy` writes it to release.auto.tfvars.json."
  type        = string
  default     = "arm64"
}

variable "roles" {
  description = "Your organisation's rules for every role. Attributes: `roles` of modules/system."
  type        = any
  default     = {}
}

variable "vpc" {
  description = "Your subnets and security groups for the functions. Attributes: `vpc` of modules/system. null: none."
  type        = any
  default     = null
}

variable "input" {
  description = "The input stream. Attributes: `input` of modules/system."
  type        = any
  default     = {}
}

variable "consumers" {
  description = "The consumers of the input stream, by name. Attributes: `consumers` of modules/system. By default one consumer, with the model of its image, and without an alarm on silence."
  type        = any
  default     = { ride-duration = { alarms = { no_data_minutes = 0 } } }
}

variable "batch" {
  description = "Score files. Attributes: `batch` of modules/system. null: no batch interface."
  type        = any
  default     = null
}

variable "web" {
  description = "Answer over HTTPS. Attributes: `web` of modules/system. null: no web interface."
  type        = any
  default     = null
}

variable "release_trigger" {
  description = "Release a new champion of a model by GitHub's workflow. Attributes: `release_trigger` of modules/system. null: a promotion releases nothing."
  type        = any
  default     = null
}

variable "training" {
  description = "Train by schedule. Attributes: `training` of modules/system. null: off."
  type        = any
  default     = null
}

variable "monitor" {
  description = "Watch the inputs and predictions of a consumer's model. Attributes: `monitor` of modules/system. null: off."
  type        = any
  default     = null
}

variable "archive" {
  description = "Keep the records of the streams as files, and judge predictions by outcomes. Attributes: `archive` of modules/system. null: off."
  type        = any
  default     = null
}

variable "model_digests" {
  description = "Digest of the model in each image, by its kind; `make deploy` writes it to release.auto.tfvars.json."
  type        = map(string)
  default     = {}
}

variable "releases" {
  description = "Parts that do not run their newest version, by consumer or web; `make rollback` writes it to release.auto.tfvars.json."
  type        = any
  default     = {}
}

variable "challengers" {
  description = "The second model of consumers while a canary runs; `make deploy CHALLENGER=…` writes it to release.auto.tfvars.json."
  type        = any
  default     = {}
}

variable "emails" {
  description = "Receivers of alarms."
  type        = set(string)
  default     = []
}
