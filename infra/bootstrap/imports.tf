# What exists already under the names of this environment is taken over, not made again: by an earlier run whose state was lost, or
# by a deployment from before there was a bootstrap. `make bootstrap` looks and fills `found`; what the state knows is left alone.

import {
  for_each = { for kind, id in var.found : kind => id if kind == "state" }
  to       = module.state.aws_s3_bucket.this
  id       = each.value
}

import {
  for_each = { for kind, id in var.found : kind => id if kind == "models" }
  to       = module.models.module.bucket.aws_s3_bucket.this
  id       = each.value
}

import {
  for_each = { for kind, id in var.found : kind => id if kind == "key" && var.kms_key_arn == null }
  to       = aws_kms_key.this[0]
  id       = each.value
}

import {
  for_each = { for kind, id in var.found : kind => id if kind == "alias" && var.kms_key_arn == null }
  to       = aws_kms_alias.this[0]
  id       = each.value
}

import {
  for_each = { for kind, id in var.found : kind => id if contains(keys(local.repositories), kind) }
  to       = module.registry[each.key].aws_ecr_repository.this
  id       = each.value
}

import {
  for_each = { for kind, id in var.found : kind => id if kind == "role" && local.deploys }
  to       = aws_iam_role.deploy[0]
  id       = each.value
}

# Only those that will be made: an older version may have needed more of them.
import {
  for_each = { for at in keys(local.deploy_policies) : at => var.found["policy/${at}"] if contains(keys(var.found), "policy/${at}") }
  to       = aws_iam_policy.deploy[each.key]
  id       = each.value
}
