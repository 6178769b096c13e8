# The address customers' messages come from.
resource "aws_sesv2_email_identity" "sender" {
  count = var.sender_is_verified ? 0 : 1

  email_identity = var.sender_address
}

# Operators subscribe to this; what is said there names the next action.
resource "aws_sns_topic" "operators" {
  name              = local.names.operators_topic
  kms_master_key_id = aws_kms_key.data.key_id
}

# Each gets a mail that asks to confirm.
resource "aws_sns_topic_subscription" "operator" {
  for_each = var.operator_emails

  topic_arn = aws_sns_topic.operators.arn
  protocol  = "email"
  endpoint  = each.value
}

resource "aws_sns_topic_policy" "operators" {
  arn    = aws_sns_topic.operators.arn
  policy = data.aws_iam_policy_document.operators_topic.json
}

# A policy of its own replaces the one that lets the account in; notify's right is in its role.
data "aws_iam_policy_document" "operators_topic" {
  statement {
    sid       = "AlarmsAndBudgets"
    actions   = ["sns:Publish"]
    resources = [aws_sns_topic.operators.arn]
    principals {
      type        = "Service"
      identifiers = ["budgets.amazonaws.com", "cloudwatch.amazonaws.com"]
    }
    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account]
    }
  }
}
