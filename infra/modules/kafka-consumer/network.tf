# The security group of the function and, with a cluster of your own, of the mapping: nothing comes in, and out go the brokers' ports and HTTPS.

locals {
  ports = toset([for broker in var.cluster.brokers : element(split(":", broker), length(split(":", broker)) - 1)])

  brokers = merge([for network in var.network[*] : merge(
    { for pair in setproduct(local.ports, network.broker_security_group_ids) : "${pair[0]}/${pair[1]}" => { port = pair[0], group = pair[1], cidr = null } },
    { for pair in setproduct(local.ports, network.broker_cidr_blocks) : "${pair[0]}/${pair[1]}" => { port = pair[0], group = null, cidr = pair[1] } },
  )]...)
}

resource "aws_security_group" "this" {
  count = var.network == null ? 0 : 1

  #checkov:skip=CKV2_AWS_5: it is the function's
  name        = var.name
  description = "The function ${var.name}: out to the brokers and by HTTPS"
  vpc_id      = var.network.vpc_id
}

resource "aws_vpc_security_group_egress_rule" "brokers" {
  for_each = local.brokers

  security_group_id            = aws_security_group.this[0].id
  description                  = "Brokers of Kafka"
  ip_protocol                  = "tcp"
  from_port                    = each.value.port
  to_port                      = each.value.port
  referenced_security_group_id = each.value.group
  cidr_ipv4                    = each.value.cidr
}

resource "aws_vpc_security_group_egress_rule" "https" {
  for_each = toset(try(var.network.https_cidr_blocks, []))

  security_group_id = aws_security_group.this[0].id
  description       = "Endpoints of AWS services"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  cidr_ipv4         = each.key
}
