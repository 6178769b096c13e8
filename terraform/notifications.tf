# The address customers' messages come from.
resource "aws_sesv2_email_identity" "sender" {
  count = var.sender_is_verified ? 0 : 1

  email_identity = var.sender_address
}

# What becomes of customers' mail. Named by `notify` with each, so that it also counts where another environment's
# identity is the sender.
resource "aws_sesv2_configuration_set" "mail" {
  configuration_set_name = local.names.mail

  reputation_options {
    reputation_metrics_enabled = true
  }
  sending_options {
    sending_enabled = true
  }
}

# SES knows no other bus than the default one (SES API v2, EventBridgeDestination).
resource "aws_sesv2_configuration_set_event_destination" "lost_mail" {
  configuration_set_name = aws_sesv2_configuration_set.mail.configuration_set_name
  event_destination_name = "lost-mail"

  event_destination {
    enabled              = true
    matching_event_types = ["BOUNCE", "COMPLAINT", "REJECT"]

    event_bridge_destination {
      event_bus_arn = "arn:${local.partition}:events:${var.region}:${local.account}:event-bus/default"
    }
  }
}

resource "aws_cloudwatch_event_rule" "lost_mail" {
  name        = local.names.lost_mail_rule
  description = "Mail to customers that came back, was refused, or was called spam."
  event_pattern = jsonencode({
    source = ["aws.ses"]
    detail = {
      eventType = ["Bounce", "Complaint", "Reject"]
      mail      = { tags = { "ses:configuration-set" = [local.names.mail] } }
    }
  })
}

# The event has the customer's address; what operators get has the order.
resource "aws_cloudwatch_event_target" "lost_mail" {
  rule = aws_cloudwatch_event_rule.lost_mail.name
  arn  = aws_sns_topic.operators.arn

  input_transformer {
    input_paths = {
      order = "$.detail.mail.tags.order_id[0]"
      what  = "$.detail.eventType"
    }
    input_template = "\"A mail to the customer of order <order> did not do its work (SES: <what>), and is not sent again by itself. Look at the order: orderctl status <order>. More: docs/RUNBOOK.md, Lost mail.\""
  }
  dead_letter_config {
    arn = module.dead_events.arn
  }

  # EventBridge looks whether it may publish.
  depends_on = [aws_sns_topic_policy.operators]
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
  # EventBridge meets no condition here ("You can't use Condition blocks in Amazon SNS topic policies for EventBridge",
  # EventBridge User Guide, "Troubleshooting").
  statement {
    sid       = "LostMail"
    actions   = ["sns:Publish"]
    resources = [aws_sns_topic.operators.arn]
    principals {
      type        = "Service"
      identifiers = ["events.amazonaws.com"]
    }
  }
}
