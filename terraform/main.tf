# Names, and nothing else. Resources are by topic: functions, tables, workflow, api, notifications, secrets.

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}

locals {
  prefix = "orders-${var.environment}"

  names = {
    orders_table    = "${local.prefix}-orders"
    stock_table     = "${local.prefix}-stock"
    workflow        = "${local.prefix}-workflow"
    workflow_role   = "${local.prefix}-workflow"
    workflow_logs   = "/aws/vendedlogs/states/${local.prefix}-workflow"
    api             = "${local.prefix}-api"
    api_logs        = "/aws/vendedlogs/apigateway/${local.prefix}-api"
    operators_topic = "${local.prefix}-operators"
    payment_secret  = "${local.prefix}/payment"
    carrier_secret  = "${local.prefix}/carrier"
    # Bucket names are shared by all accounts of a region.
    artifacts = "${local.prefix}-artifacts-${data.aws_caller_identity.current.account_id}"
  }
}
