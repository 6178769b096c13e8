# Names, and nothing else. Resources are by topic: functions, tables, workflow, api, queue, monitor,
# console, sign_in, callers, alarms, dashboard, notifications, secrets, key, budget.

data "aws_caller_identity" "current" {
  lifecycle {
    # The last of the guards around a laptop's shortcuts, an open API among them.
    postcondition {
      condition     = var.environment != "local" || self.account_id == "000000000000"
      error_message = "environment `local` is for the stack on a laptop, and these are credentials of an AWS account: choose another environment."
    }
  }
}
data "aws_partition" "current" {}

locals {
  account   = data.aws_caller_identity.current.account_id
  partition = data.aws_partition.current.partition

  prefix = "orders-${var.environment}"

  names = {
    orders_table      = "${local.prefix}-orders"
    read_models_table = "${local.prefix}-read-models"
    stock_table       = "${local.prefix}-stock"
    workflow          = "${local.prefix}-workflow"
    workflow_role     = "${local.prefix}-workflow"
    workflow_logs     = "/aws/vendedlogs/states/${local.prefix}-workflow"
    api               = "${local.prefix}-api"
    api_logs          = "/aws/vendedlogs/apigateway/${local.prefix}-api"
    console           = "${local.prefix}-console"
    console_logs      = "/aws/vendedlogs/apigateway/${local.prefix}-console"
    user_pool         = "${local.prefix}-operators"
    operators_topic   = "${local.prefix}-operators"
    orders_queue      = "${local.prefix}-orders"
    dead_events       = "${local.prefix}-monitor-dead-letters"
    status_rule       = "${local.prefix}-execution-status"
    schedule_rule     = "${local.prefix}-monitor-schedule"
    lost_mail_rule    = "${local.prefix}-lost-mail"
    mail              = "${local.prefix}-mail"
    dashboard         = "${local.prefix}"
    dead_orders       = "${local.prefix}-orders-dead-letters"
    budget            = "${local.prefix}-monthly"
    key               = "alias/${local.prefix}"
    payment_secret    = "${local.prefix}/payment"
    carrier_secret    = "${local.prefix}/carrier"
    webhook_secret    = "${local.prefix}/notices-webhook"
    # By file of policies/. A deployer may change policies that begin with the prefix; his own do not (tools/policies.py).
    caller_policies = { for file in ["api-callers", "queue-senders", "operators"] : file => "${local.prefix}-${file}" }
    # Bucket names, and domains of user pools, are shared by all accounts of a region.
    artifacts      = "${local.prefix}-artifacts-${local.account}"
    sign_in_domain = "${local.prefix}-${local.account}"
  }
}
