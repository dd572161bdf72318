variable "name" {
  description = "Name of the stream."
  type        = string

  validation {
    condition     = can(regex("^[a-zA-Z0-9_.-]{1,128}$", var.name))
    error_message = "A stream name is 1 to 128 letters, digits, underscores, dots and hyphens: change the name."
  }
}

variable "account" {
  description = "Account of the stream, for its ARN."
  type = object({
    id        = string                  # twelve digits
    region    = string                  # e.g. eu-west-1
    partition = optional(string, "aws") # aws, aws-cn or aws-us-gov
  })
}

variable "kms_key_arn" {
  description = "Key that encrypts the records."
  type        = string
}

variable "capacity" {
  description = "Size and billing of the stream."
  type = object({
    mode            = optional(string, "ON_DEMAND") # ON_DEMAND or PROVISIONED
    shards          = optional(number)              # PROVISIONED only: its shards
    expected_shards = optional(number, 4)           # ON_DEMAND only: shards to size consumers for; a new stream has 4
  })
  default = {}

  validation {
    condition     = contains(["ON_DEMAND", "PROVISIONED"], var.capacity.mode)
    error_message = "capacity.mode is ON_DEMAND or PROVISIONED."
  }

  validation {
    condition     = var.capacity.mode != "PROVISIONED" || try(var.capacity.shards >= 1 && floor(var.capacity.shards) == var.capacity.shards, false)
    error_message = "A PROVISIONED stream needs capacity.shards, a whole number from 1; docs/capacity.md has the formula."
  }

  validation {
    condition     = var.capacity.mode != "ON_DEMAND" || var.capacity.shards == null
    error_message = "An ON_DEMAND stream has no capacity.shards: remove it, or set capacity.mode = \"PROVISIONED\"."
  }

  validation {
    condition     = var.capacity.expected_shards >= 1
    error_message = "capacity.expected_shards is 1 or more."
  }
}

variable "retention_hours" {
  description = "Hours for which the stream keeps a record."
  type        = number
  default     = 168

  validation {
    condition     = var.retention_hours >= 24 && var.retention_hours <= 8760 && floor(var.retention_hours) == var.retention_hours
    error_message = "Kinesis keeps records for 24 to 8760 hours: change retention_hours."
  }

  validation {
    condition     = var.retention_hours * 3600 >= var.maximum_record_age_seconds
    error_message = "The stream would expire a record before its consumer gives it up to the on-failure destination, and the record would be lost: raise retention_hours, or lower the consumer's mapping.maximum_record_age_seconds."
  }
}

variable "maximum_record_age_seconds" {
  description = "The greatest maximum record age of the consumers' mappings."
  type        = number
  default     = 0
}

variable "fan_out_consumers" {
  description = "Names of the enhanced fan-out consumers to register: 2 MB/s a shard for each, pushed."
  type        = set(string)
  default     = []

  validation {
    condition     = length(var.fan_out_consumers) <= 20
    error_message = "A stream takes 20 enhanced fan-out consumers: let some consumers share the standard iterator."
  }

  validation {
    condition     = alltrue([for name in var.fan_out_consumers : can(regex("^[a-zA-Z0-9_.-]{1,128}$", name))])
    error_message = "The name of a fan-out consumer is 1 to 128 letters, digits, underscores, dots and hyphens."
  }
}

variable "shard_level_metrics" {
  description = "Metrics for each shard, to find a hot shard. AWS bills them for each shard."
  type        = set(string)
  default     = []

  validation {
    condition = length(setsubtract(var.shard_level_metrics, [
      "IncomingBytes", "IncomingRecords", "OutgoingBytes", "OutgoingRecords",
      "WriteProvisionedThroughputExceeded", "ReadProvisionedThroughputExceeded", "IteratorAgeMilliseconds",
    ])) == 0
    error_message = "Shard-level metrics are IncomingBytes, IncomingRecords, OutgoingBytes, OutgoingRecords, WriteProvisionedThroughputExceeded, ReadProvisionedThroughputExceeded and IteratorAgeMilliseconds."
  }
}

variable "record_distribution" {
  description = "The stream's record distribution strategy. USER_PARTITION_KEY keeps the order of a key, AUTO does not. Provider 5.100 cannot set it: for AUTO run `aws kinesis update-stream-record-distribution-strategy` too."
  type        = string
  default     = "USER_PARTITION_KEY"

  validation {
    condition     = contains(["USER_PARTITION_KEY", "AUTO"], var.record_distribution)
    error_message = "record_distribution is USER_PARTITION_KEY or AUTO."
  }

  validation {
    condition     = var.record_distribution != "AUTO" || var.capacity.mode == "ON_DEMAND"
    error_message = "Only ON_DEMAND streams distribute records automatically: set record_distribution = \"USER_PARTITION_KEY\"."
  }
}
