# Tells the operators when the account's bill is about to leave what was meant: a loop or a flood shows
# there, too. Of the whole account, because AWS knows our tags in bills only once they are activated.
resource "aws_budgets_budget" "monthly" {
  name         = local.names.budget
  budget_type  = "COST"
  limit_amount = tostring(var.monthly_budget_usd)
  limit_unit   = "USD"
  time_unit    = "MONTHLY"

  dynamic "notification" {
    for_each = {
      ACTUAL     = 80
      FORECASTED = 100
    }
    content {
      comparison_operator       = "GREATER_THAN"
      threshold                 = notification.value
      threshold_type            = "PERCENTAGE"
      notification_type         = notification.key
      subscriber_sns_topic_arns = [aws_sns_topic.operators.arn]
    }
  }

  # Budgets looks whether it may publish.
  depends_on = [aws_sns_topic_policy.operators]
}
