# The same file in every environment, held so by the checks: what differs is in main.tf and in the tfvars.

variable "account_id" {
  description = "The account to deploy to; credentials of any other are refused. `make bootstrap` writes it to bootstrap.auto.tfvars.json."
  type        = string
}

variable "region" {
  description = "Region to deploy to; `make bootstrap` writes it to bootstrap.auto.tfvars.json."
  type        = string
}

variable "bootstrap" {
  description = "What the environment stands on: key, models bucket, repositories; `make bootstrap` writes it to bootstrap.auto.tfvars.json."
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
  description = "Digest of the image that trains, sha256:…; `make deploy TRAINING=1` writes it to release.auto.tfvars.json."
  type        = string
  default     = null
}

variable "architecture" {
  description = "What the image was built for, arm64 or x86_64; `make deploy` writes it to release.auto.tfvars.json."
  type        = string
  default     = "arm64"
}

variable "roles" {
  description = "What your organisation asks of every role: `roles` of modules/system says what it may hold."
  type        = any
  default     = {}
}

variable "vpc" {
  description = "Subnets and security groups of yours that the functions run in: `vpc` of modules/system says what it may hold. null: none."
  type        = any
  default     = null
}

variable "input" {
  description = "The input stream; `input` of modules/system says what it may hold."
  type        = any
  default     = {}
}

variable "consumers" {
  description = "The consumers of the input stream, by name; `consumers` of modules/system says what each may hold. As it stands: one, with the model of its image, that does not mind silence."
  type        = any
  default     = { ride-duration = { alarms = { no_data_minutes = 0 } } }
}

variable "batch" {
  description = "Score files; `batch` of modules/system says what it may hold. null: no batch interface."
  type        = any
  default     = null
}

variable "web" {
  description = "Answer over HTTPS; `web` of modules/system says what it may hold. null: no web interface."
  type        = any
  default     = null
}

variable "release_trigger" {
  description = "Release a new champion of a model by GitHub's workflow; `release_trigger` of modules/system says what it may hold. null: a promotion releases nothing."
  type        = any
  default     = null
}

variable "training" {
  description = "Train by schedule; `training` of modules/system says what it may hold. null: nobody does."
  type        = any
  default     = null
}

variable "monitor" {
  description = "Watch whether a consumer's model is still right; `monitor` of modules/system says what it may hold. null: nobody does."
  type        = any
  default     = null
}

variable "archive" {
  description = "Keep what comes onto the streams as files, and judge predictions by outcomes; `archive` of modules/system says what it may hold. null: nobody does."
  type        = any
  default     = null
}

variable "model_digests" {
  description = "Digest of the model in each image, by its kind; `make deploy` writes it to release.auto.tfvars.json."
  type        = map(string)
  default     = {}
}

variable "releases" {
  description = "What does not run its newest version, by consumer or web; `make rollback` writes it to release.auto.tfvars.json."
  type        = any
  default     = {}
}

variable "challengers" {
  description = "The second model of consumers while a canary runs; `make deploy CHALLENGER=…` writes it to release.auto.tfvars.json."
  type        = any
  default     = {}
}

variable "emails" {
  description = "Who is told of alarms."
  type        = set(string)
  default     = []
}
