# What may be deployed and what is refused. Nothing is called: the provider is a mock. Needs the built
# functions; `make check-terraform` brings it all together.

mock_provider "aws" {
  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{}" }
  }
}

variables {
  environment = "prod"
  # Any zips will do: the ones of the local stack are there.
  artifacts_dir  = "../target/functions"
  sender_address = "orders@example.com"
  carrier = {
    id              = "se-123456"
    service_code    = "usps_priority_mail"
    warehouse_id    = "se-654321"
    contact_phone   = "+1 555 0100"
    grams_per_piece = 500
  }
}

run "production_has_safe_defaults" {
  command = plan

  assert {
    condition     = alltrue([for route in aws_apigatewayv2_route.intake : route.authorization_type == "AWS_IAM"])
    error_message = "every route must ask for a signature"
  }
  assert {
    condition     = aws_dynamodb_table.orders.deletion_protection_enabled && aws_dynamodb_table.orders.point_in_time_recovery[0].enabled
    error_message = "the orders table must be protected and restorable"
  }
  assert {
    condition     = aws_sfn_state_machine.orders.logging_configuration[0].level == "ALL" && aws_sfn_state_machine.orders.publish
    error_message = "the state machine must log all of its history and publish versions"
  }
}

run "production_refuses_each_of_a_laptops_shortcuts" {
  command = plan
  variables {
    api_authorization       = "NONE"
    payment_api_url         = "http://payments.example.com"
    carrier_api_url         = "http://carrier.example.com"
    deletion_protection     = false
    point_in_time_recovery  = false
    payment_search_lag_s    = 1
    carrier_settled_after_s = 1
    log_filter              = "trace"
    timeout_override_s      = 8
  }
  expect_failures = [
    var.timeout_override_s,
    var.api_authorization,
    var.payment_api_url,
    var.carrier_api_url,
    var.deletion_protection,
    var.point_in_time_recovery,
    var.payment_search_lag_s,
    var.carrier_settled_after_s,
    var.log_filter,
  ]
}

run "a_laptop_may_take_the_shortcuts" {
  command = plan
  variables {
    environment            = "local"
    api_authorization      = "NONE"
    deletion_protection    = false
    point_in_time_recovery = false
    payment_api_url        = "http://127.0.0.1:4570"
    carrier_api_url        = "http://127.0.0.1:4570"
  }
}
