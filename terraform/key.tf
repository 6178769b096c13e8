# One key for all that is kept here: tables, queues, topic, logs, secrets, state machine, packages.
resource "aws_kms_key" "data" {
  description             = "Everything at rest of ${local.prefix}."
  enable_key_rotation     = true
  rotation_period_in_days = 365
  deletion_window_in_days = var.deletion_protection ? 30 : 7
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
  # Alarms speak through the operators' topic, which is encrypted.
  statement {
    sid       = "Alarms"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = ["*"]
    principals {
      type        = "Service"
      identifiers = ["cloudwatch.amazonaws.com"]
    }
    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account]
    }
  }
  # What EventBridge cannot deliver goes to an encrypted queue.
  statement {
    sid       = "Events"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = ["*"]
    principals {
      type        = "Service"
      identifiers = ["events.amazonaws.com"]
    }
    condition {
      test     = "ArnEquals"
      variable = "aws:SourceArn"
      values   = [local.status_rule_arn]
    }
  }
  # So do budgets; nothing is documented of a condition that they would meet (AWS Cost Management User
  # Guide, "Creating an Amazon SNS topic for budget notifications").
  statement {
    sid       = "Budgets"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = ["*"]
    principals {
      type        = "Service"
      identifiers = ["budgets.amazonaws.com"]
    }
  }
}

locals {
  # By name: the log groups depend on the key.
  log_group_arns = [
    for name in concat(
      [for function in keys(local.functions) : "/aws/lambda/${local.prefix}-${function}"],
      [local.names.workflow_logs, local.names.api_logs, local.names.console_logs],
    ) : "arn:${local.partition}:logs:${var.region}:${local.account}:log-group:${name}"
  ]
}
