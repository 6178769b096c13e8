# How the business stands, on one page of CloudWatch; and the runbook's queries.

locals {
  # [title, statistic, metrics as [name, value of its own dimension or null]]
  plots = [
    ["Orders in, and out by outcome", "Sum", concat([["OrdersReceived", null]], [for outcome in ["completed", "rejected", "cancelled", "failed"] : ["OrdersEnded", outcome]])],
    ["Needs a person", "Maximum", [["NeedsAttention", null], ["UnknownOutcomes", null], ["ReviewsWaiting", null], ["Orphans", null]]],
    ["Open orders", "Maximum", [["OpenOrders", null], ["AtRisk", null], ["Overdue", null], ["Retrying", null]]],
    ["Oldest open order (s)", "Maximum", [["OldestOpenOrder", null]]],
    ["Reversed, by who can mend it", "Sum", [for class in ["customer", "dependency", "system"] : ["OrdersReversed", class]]],
    ["From the door to the end, p99 (ms)", "p99", [["OrderDuration", null]]],
    ["Time in each state, p99 (ms)", "p99", [for state in local.states : ["StateDuration", state]]],
    ["Retries", "Sum", [for state in local.states : ["Retries", state]]],
    ["Money in USD cents", "Sum", [["MoneyAuthorized", "USD"], ["MoneyCaptured", "USD"], ["MoneyReversed", "USD"]]],
    ["The monitor itself", "Sum", [["Sweeps", null], ["Repairs", null], ["ReconciliationsPostponed", null], ["UnreadableProjections", null], ["NoticesUndelivered", null]]],
    ["From a change to the monitor, p99 (ms)", "p99", [["EventLag", null]]],
  ]
  states = [for state in local.facts.states : state if state != "ReviewOrder"]

  insights = {
    "one order" = {
      functions = keys(local.functions)
      query     = "fields @timestamp, @message | filter @message like 'ORDER_ID' | sort @timestamp"
    }
    "failures by error" = {
      functions = local.steps
      query     = "fields error, reason | filter ispresent(error) | stats count(*) as failures by error, reason | sort failures desc"
    }
    "crashes and time-outs" = {
      functions = keys(local.functions)
      query     = "fields @timestamp, @log, @message | filter @message like /Task timed out|panicked|Runtime exited|signal: killed/ | sort @timestamp desc | limit 100"
    }
    "repairs" = {
      functions = ["monitor"]
      query     = "fields @timestamp, order_id, repair | filter ispresent(repair) | sort @timestamp desc"
    }
    "what needed a person" = {
      functions = ["monitor"]
      query     = "fields @timestamp, order_id, incident | filter ispresent(incident) | sort @timestamp desc"
    }
    "slowest steps" = {
      functions = local.steps
      query     = "fields span.order_id, span.action, elapsed_ms | filter ispresent(elapsed_ms) | sort elapsed_ms desc | limit 50"
    }
    "orders not taken" = {
      functions = ["intake", "intake-queue"]
      query     = "fields @timestamp, level, message, message_id, error | filter level in ['WARN', 'ERROR'] | sort @timestamp desc"
    }
  }
}

resource "aws_cloudwatch_dashboard" "orders" {
  dashboard_name = local.names.dashboard
  dashboard_body = jsonencode({
    widgets = concat([
      for number, plot in local.plots : {
        type   = "metric"
        x      = number % 2 * 12
        y      = floor(number / 2) * 6
        width  = 12
        height = 6
        properties = {
          title  = plot[0]
          region = var.region
          stat   = plot[1]
          period = 60
          view   = "timeSeries"
          metrics = [
            for metric in plot[2] : concat(
              [local.facts.namespace, metric[0], local.facts.environment_dimension, var.environment],
              metric[1] == null ? [] : [local.facts.metrics[metric[0]].dimension, metric[1]],
            )
          ]
        }
      }
      ], [{
        # Causes come and go; a search finds those that there are.
        type   = "metric"
        x      = length(local.plots) % 2 * 12
        y      = floor(length(local.plots) / 2) * 6
        width  = 12
        height = 6
        properties = {
          title   = "Incidents by cause"
          region  = var.region
          view    = "timeSeries"
          metrics = [[{ expression = "SEARCH('{${local.facts.namespace},${local.facts.environment_dimension},${local.facts.metrics["OrdersByCause"].dimension}} MetricName=\"OrdersByCause\" ${local.facts.environment_dimension}=\"${var.environment}\"', 'Maximum', 60)" }]]
        }
    }])
  })
}

resource "aws_cloudwatch_query_definition" "runbook" {
  for_each = var.saved_queries ? local.insights : {}

  name            = "${local.prefix}/${each.key}"
  log_group_names = [for function in each.value.functions : module.function[function].log_group]
  query_string    = each.value.query
}
