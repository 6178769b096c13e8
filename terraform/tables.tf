# The orders: one partition an order; its document, its ledger and its audit trail as items in it. Nothing but
# orders is in here, nothing of it expires, and no function may delete from it.
resource "aws_dynamodb_table" "orders" {
  name                        = local.names.orders_table
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = "order_id"
  range_key                   = "item"
  deletion_protection_enabled = var.deletion_protection

  attribute {
    name = "order_id"
    type = "S"
  }
  attribute {
    name = "item"
    type = "S"
  }

  # For the monitor. Keys are enough: it reads what is stored, and no order's data travels.
  stream_enabled   = true
  stream_view_type = "KEYS_ONLY"

  server_side_encryption {
    enabled     = true
    kms_key_arn = aws_kms_key.data.arn
  }

  point_in_time_recovery {
    enabled = var.point_in_time_recovery
  }
}

# What operators know of the orders: projections, snapshots, notices, bulks, counters. The partition key begins
# with what the partition holds. A table of its own, so that who may write the ledger is a matter of IAM.
resource "aws_dynamodb_table" "read_models" {
  name                        = local.names.read_models_table
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = "pk"
  range_key                   = "sk"
  deletion_protection_enabled = var.deletion_protection

  attribute {
    name = "pk"
    type = "S"
  }
  attribute {
    name = "sk"
    type = "S"
  }
  attribute {
    name = "open_shard"
    type = "S"
  }
  attribute {
    name = "due_at"
    type = "N"
  }
  attribute {
    name = "closed_as"
    type = "S"
  }
  attribute {
    name = "ended_at"
    type = "N"
  }

  # Sparse: only the row of an order that is not over has open_shard, so that a sweep reads those and no
  # others, the ones that are due first. Sharded: one partition would cap how many orders can come in.
  global_secondary_index {
    name            = "open"
    hash_key        = "open_shard"
    range_key       = "due_at"
    projection_type = "ALL"
  }

  # Sparse as well: only the row of an order that is over has closed_as. It is for lists of what ended and how,
  # newest first.
  global_secondary_index {
    name            = "closed"
    hash_key        = "closed_as"
    range_key       = "ended_at"
    projection_type = "ALL"
  }

  # For snapshots, counters and previews of bulk actions, which are worth nothing a while later. No order's row
  # ever has it.
  ttl {
    attribute_name = "expires_at"
    enabled        = true
  }

  server_side_encryption {
    enabled     = true
    kms_key_arn = aws_kms_key.data.arn
  }

  point_in_time_recovery {
    enabled = var.point_in_time_recovery
  }
}

# What can be sold: one item an article, its price and how many are left.
resource "aws_dynamodb_table" "stock" {
  name                        = local.names.stock_table
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = "sku"
  deletion_protection_enabled = var.deletion_protection

  attribute {
    name = "sku"
    type = "S"
  }

  server_side_encryption {
    enabled     = true
    kms_key_arn = aws_kms_key.data.arn
  }

  point_in_time_recovery {
    enabled = var.point_in_time_recovery
  }
}
