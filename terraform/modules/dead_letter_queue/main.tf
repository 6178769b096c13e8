# A queue for what could not be dealt with, an alarm as soon as anything is in it, and one before it is lost.

resource "aws_sqs_queue" "this" {
  name                              = var.name
  message_retention_seconds         = 1209600 # 14 days, the longest there is
  kms_master_key_id                 = var.key_id
  kms_data_key_reuse_period_seconds = 300

  redrive_allow_policy = (
    length(var.queue_arns) > 0
    ? jsonencode({ redrivePermission = "byQueue", sourceQueueArns = var.queue_arns })
    : jsonencode({ redrivePermission = "denyAll" })
  )
}

resource "aws_sqs_queue_policy" "this" {
  count = length(var.rule_arns) > 0 ? 1 : 0

  queue_url = aws_sqs_queue.this.url
  policy    = data.aws_iam_policy_document.rules.json
}

data "aws_iam_policy_document" "rules" {
  statement {
    sid       = "UndeliveredEvents"
    actions   = ["sqs:SendMessage"]
    resources = [aws_sqs_queue.this.arn]
    principals {
      type        = "Service"
      identifiers = ["events.amazonaws.com"]
    }
    condition {
      test     = "ArnEquals"
      variable = "aws:SourceArn"
      values   = var.rule_arns
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "this" {
  alarm_name          = "${var.name}-not-empty"
  alarm_description   = var.what_to_do
  namespace           = "AWS/SQS"
  metric_name         = "ApproximateNumberOfMessagesVisible"
  dimensions          = { QueueName = aws_sqs_queue.this.name }
  statistic           = "Maximum"
  period              = 60
  evaluation_periods  = 1
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  # An empty queue that nobody uses reports nothing.
  treat_missing_data = "notBreaching"
  alarm_actions      = [var.topic_arn]
  ok_actions         = [var.topic_arn]
}

# SQS deletes what is fourteen days old, counted from when it was first sent. Of a dead-letter queue the metric counts
# from when it came here, which is twenty minutes later at most.
resource "aws_cloudwatch_metric_alarm" "age" {
  alarm_name          = "${var.name}-about-to-be-lost"
  alarm_description   = "What is oldest in it has been there for ten days, and SQS deletes it after fourteen. ${var.what_to_do}"
  namespace           = "AWS/SQS"
  metric_name         = "ApproximateAgeOfOldestMessage"
  dimensions          = { QueueName = aws_sqs_queue.this.name }
  statistic           = "Maximum"
  period              = 300
  evaluation_periods  = 1
  comparison_operator = "GreaterThanThreshold"
  threshold           = 864000
  treat_missing_data  = "notBreaching"
  alarm_actions       = [var.topic_arn]
  ok_actions          = [var.topic_arn]
}
