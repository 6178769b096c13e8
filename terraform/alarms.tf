# When somebody is woken. Names, units and texts are the monitor's own: monitor.json is written from its
# code (`make facts`), and a test holds the two together.

locals {
  facts = jsondecode(file("${path.module}/monitor.json"))

  # Alarms on one metric of ours: over the last `periods` times `period_s`, at least `times` above a number.
  order_alarms = { for name, alarm in local.facts.alarms : name => alarm.rule if alarm.rule != null }

  # Steps answer Step Functions with errors by design, a declined card among them; the others have none.
  without_errors = [for name, function in local.functions : name if function.kind != "step"]
}

resource "aws_cloudwatch_metric_alarm" "orders" {
  for_each = local.order_alarms

  alarm_name        = "${local.prefix}-${each.key}"
  alarm_description = local.facts.alarms[each.key].text
  namespace         = local.facts.namespace
  metric_name       = local.facts.alarms[each.key].metric
  dimensions = merge(
    { (local.facts.environment_dimension) = var.environment },
    try({ (local.facts.metrics[local.facts.alarms[each.key].metric].dimension) = each.value.of }, {}),
  )
  statistic           = startswith(each.value.statistic, "p") ? null : each.value.statistic
  extended_statistic  = startswith(each.value.statistic, "p") ? each.value.statistic : null
  period              = each.value.period_s
  evaluation_periods  = each.value.periods
  datapoints_to_alarm = each.value.times
  comparison_operator = "GreaterThanThreshold"
  threshold           = each.value.above
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.operators.arn]
  ok_actions          = [aws_sns_topic.operators.arn]
}

resource "aws_cloudwatch_metric_alarm" "monitor_silent" {
  alarm_name          = "${local.prefix}-MonitorSilent"
  alarm_description   = local.facts.alarms.MonitorSilent.text
  namespace           = local.facts.namespace
  metric_name         = local.facts.alarms.MonitorSilent.metric
  dimensions          = { (local.facts.environment_dimension) = var.environment }
  statistic           = "Sum"
  period              = 300
  evaluation_periods  = 1
  comparison_operator = "LessThanThreshold"
  threshold           = 1
  treat_missing_data  = "breaching"
  alarm_actions       = [aws_sns_topic.operators.arn]
  ok_actions          = [aws_sns_topic.operators.arn]
}

# Usual is what CloudWatch has learnt of the last two weeks, by hour and weekday. Until it has learnt something there
# is no band, and that raises nothing. The monitor counts zero orders, too, so that only its silence leaves a gap, and
# MonitorSilent is for that.
resource "aws_cloudwatch_metric_alarm" "no_orders" {
  alarm_name          = "${local.prefix}-NoOrders"
  alarm_description   = local.facts.alarms.NoOrders.text
  comparison_operator = "LessThanLowerThreshold"
  evaluation_periods  = 2
  threshold_metric_id = "usual"
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.operators.arn]
  ok_actions          = [aws_sns_topic.operators.arn]

  metric_query {
    id          = "usual"
    expression  = "ANOMALY_DETECTION_BAND(received, 3)"
    label       = "usual"
    return_data = true
  }
  metric_query {
    id          = "received"
    return_data = true
    metric {
      namespace   = local.facts.namespace
      metric_name = local.facts.alarms.NoOrders.metric
      dimensions  = { (local.facts.environment_dimension) = var.environment }
      stat        = "Sum"
      period      = 1800
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "functions" {
  for_each = {
    Throttles      = { metric = "Throttles", of = keys(local.functions) }
    FunctionErrors = { metric = "Errors", of = local.without_errors }
  }

  alarm_name          = "${local.prefix}-${each.key}"
  alarm_description   = local.facts.alarms[each.key].text
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  evaluation_periods  = 5
  datapoints_to_alarm = 3
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.operators.arn]
  ok_actions          = [aws_sns_topic.operators.arn]

  metric_query {
    id          = "all"
    expression  = "SUM(METRICS())"
    label       = each.key
    return_data = true
  }
  dynamic "metric_query" {
    for_each = each.value.of
    content {
      id = replace(metric_query.value, "-", "_")
      metric {
        namespace   = "AWS/Lambda"
        metric_name = each.value.metric
        dimensions  = { FunctionName = "${local.prefix}-${metric_query.value}" }
        stat        = "Sum"
        period      = 60
      }
    }
  }
}
