# One key for all that is kept here: tables, queues, topic, logs, secrets, state machine, packages.
resource "aws_kms_key" "data" {
  description             = "Everything at rest of ${local.prefix}."
  enable_key_rotation     = true
  rotation_period_in_days = 365
  # The longest there is, where DynamoDB keeps backups of deleted tables: it does so for 35 days, and they can be
  # read for as long as their key is there.
  deletion_window_in_days = var.point_in_time_recovery ? 30 : 7
  policy                  = data.aws_iam_policy_document.key.json
}

resource "aws_kms_alias" "data" {
  name          = local.names.key
  target_key_id = aws_kms_key.data.key_id
}

data "aws_iam_policy_document" "key" {
  # checkov:skip=CKV_AWS_109:In a key's own policy "*" is this key, and the account has to be able to manage it.
  # checkov:skip=CKV_AWS_111:As above.
  # checkov:skip=CKV_AWS_356:As above.

  # Hands the key to the account's IAM policies; without it nobody could ever mend this policy.
  statement {
    sid = "Account"
    actions = [
      "kms:CancelKeyDeletion",
      "kms:CreateAlias",
      "kms:CreateGrant",
      "kms:Decrypt",
      "kms:DeleteAlias",
      "kms:DescribeKey",
      "kms:DisableKey",
      "kms:DisableKeyRotation",
      "kms:EnableKey",
      "kms:EnableKeyRotation",
      "kms:Encrypt",
      "kms:GenerateDataKey",
      "kms:GenerateDataKeyWithoutPlaintext",
      "kms:GetKeyPolicy",
      "kms:GetKeyRotationStatus",
      "kms:ListGrants",
      "kms:ListKeyPolicies",
      "kms:ListKeyRotations",
      "kms:ListResourceTags",
      "kms:PutKeyPolicy",
      "kms:ReEncryptFrom",
      "kms:ReEncryptTo",
      "kms:RetireGrant",
      "kms:RevokeGrant",
      "kms:RotateKeyOnDemand",
      "kms:ScheduleKeyDeletion",
      "kms:TagResource",
      "kms:UntagResource",
      "kms:UpdateAlias",
      "kms:UpdateKeyDescription",
    ]
    resources = ["*"]
    principals {
      type        = "AWS"
      identifiers = ["arn:${local.partition}:iam::${local.account}:root"]
    }
  }
  # CloudWatch Logs, for these log groups and no others (CloudWatch Logs User Guide, "Encrypt log data").
  statement {
    sid = "Logs"
    actions = [
      "kms:Decrypt",
      "kms:DescribeKey",
      "kms:Encrypt",
      "kms:GenerateDataKey",
      "kms:GenerateDataKeyWithoutPlaintext",
      "kms:ReEncryptFrom",
      "kms:ReEncryptTo",
    ]
    resources = ["*"]
    principals {
      type        = "Service"
      identifiers = ["logs.${var.region}.amazonaws.com"]
    }
    condition {
      test     = "ArnEquals"
      variable = "kms:EncryptionContext:aws:logs:arn"
      values   = local.log_group_arns
    }
  }
  # The delivery of an encrypted state machine's log, as AWS has it: without a condition (Step Functions
  # Developer Guide, "Data at rest encryption").
  statement {
    sid       = "LogDelivery"
    actions   = ["kms:Decrypt"]
    resources = ["*"]
    principals {
      type        = "Service"
      identifiers = ["delivery.logs.amazonaws.com"]
    }
  }
  # Alarms, budgets and EventBridge speak through the operators' topic, which is encrypted. The condition is what SNS
  # itself says of its use of the key: EventBridge meets none on aws:SourceArn or aws:SourceAccount (SNS Developer
  # Guide, "Key management").
  statement {
    sid       = "Topic"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = ["*"]
    principals {
      type        = "Service"
      identifiers = ["budgets.amazonaws.com", "cloudwatch.amazonaws.com", "events.amazonaws.com"]
    }
    condition {
      test     = "StringEquals"
      variable = "kms:EncryptionContext:aws:sns:topicArn"
      values   = [local.operators_topic_arn]
    }
  }
  # What EventBridge cannot deliver goes to an encrypted queue; the condition is, again, what the queue says of it.
  statement {
    sid       = "DeadEvents"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = ["*"]
    principals {
      type        = "Service"
      identifiers = ["events.amazonaws.com"]
    }
    condition {
      test     = "StringEquals"
      variable = "kms:EncryptionContext:aws:sqs:arn"
      values   = [local.dead_events_arn]
    }
  }
}

locals {
  # By name: all of these depend on the key.
  operators_topic_arn = "arn:${local.partition}:sns:${var.region}:${local.account}:${local.names.operators_topic}"
  dead_events_arn     = "arn:${local.partition}:sqs:${var.region}:${local.account}:${local.names.dead_events}"
  log_group_arns = [
    for name in concat(
      [for function in keys(local.functions) : "/aws/lambda/${local.prefix}-${function}"],
      [local.names.workflow_logs, local.names.api_logs, local.names.console_logs],
    ) : "arn:${local.partition}:logs:${var.region}:${local.account}:log-group:${name}"
  ]
}
