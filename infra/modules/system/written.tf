# Terraform drops an attribute that a variable's type does not have, without a word. So the variables as they were written are compared
# with the same ones as they were taken, path by path, such as consumers.ride-duration.function.memory_mb.

locals {
  taken = {
    input     = var.input
    roles     = var.roles
    vpc       = var.vpc
    consumers = var.consumers
    batch     = merge(var.batch, one(module.batch[*].taken))
    web       = merge(var.web, one(module.web[*].taken))
    training  = merge(var.training, one(module.training[*].taken))
    monitor   = merge(var.monitor, one(module.monitor[*].taken))

    release_trigger = var.release_trigger
    archive         = var.archive
  }

  # Each level has the paths of the one above, longer by a key. A map of free keys, such as environment, is taken as it is written.
  level_1 = { written = var.written, taken = local.taken }
  level_2 = { for side, items in local.level_1 : side => merge([for path, item in items : { for key, value in item : "${path}.${key}" => value } if can(keys(item))]...) }
  level_3 = { for side, items in local.level_2 : side => merge([for path, item in items : { for key, value in item : "${path}.${key}" => value } if can(keys(item))]...) }
  level_4 = { for side, items in local.level_3 : side => merge([for path, item in items : { for key, value in item : "${path}.${key}" => value } if can(keys(item))]...) }

  level_5 = { for side, items in local.level_4 : side => merge([for path, item in items : { for key, value in item : "${path}.${key}" => value } if can(keys(item))]...) }

  unknown_attributes = flatten([for level in [local.level_1, local.level_2, local.level_3, local.level_4, local.level_5] : setsubtract(keys(level.written), keys(level.taken))])
}
