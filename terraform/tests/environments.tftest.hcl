# What each environment's tfvars come to. `make check-terraform` runs it once for each of them, with
# -var-file. Nothing is called: the provider is a mock.

mock_provider "aws" {
  mock_data "aws_caller_identity" {
    # The local stack's; any other environment takes any.
    defaults = { account_id = "000000000000" }
  }
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{}" }
  }
  # Step Functions gives it; an alias wants to see one.
  mock_resource "aws_sfn_state_machine" {
    defaults = {
      arn                       = "arn:aws:states:us-east-1:123456789012:stateMachine:any"
      state_machine_version_arn = "arn:aws:states:us-east-1:123456789012:stateMachine:any:2"
    }
    override_during = plan
  }
}

variables {
  artifacts_dir = "../target/functions"
  # Yours, in prod.tfvars.
  account_id      = "000000000000"
  operator_emails = ["on-call@example.com"]
}

run "what_is_kept_is_encrypted_and_can_be_had_back" {
  command = plan

  assert {
    condition     = aws_kms_key.data.enable_key_rotation
    error_message = "the key must rotate"
  }
  assert {
    condition = alltrue([
      for table in [aws_dynamodb_table.orders, aws_dynamodb_table.stock] :
      table.server_side_encryption[0].enabled && (var.environment != "prod" || (table.deletion_protection_enabled && table.point_in_time_recovery[0].enabled))
    ])
    error_message = "tables must be encrypted, and in prod protected and restorable"
  }
  assert {
    condition = alltrue([
      for secret in [aws_secretsmanager_secret.payment, aws_secretsmanager_secret.carrier] :
      secret.recovery_window_in_days == (var.environment == "prod" ? 30 : 0)
    ])
    error_message = "in prod a deleted secret can be had back for 30 days; elsewhere its name is free at once"
  }
}

run "nobody_places_orders_unsigned_but_on_a_laptop" {
  command = plan

  assert {
    condition     = alltrue([for route in aws_apigatewayv2_route.intake : route.authorization_type == (var.environment == "local" ? "NONE" : "AWS_IAM")])
    error_message = "every route must ask for a signature"
  }
}

run "a_flood_of_orders_is_bounded" {
  command = plan

  assert {
    condition     = aws_apigatewayv2_stage.live.default_route_settings[0].throttling_rate_limit > 0 && aws_apigatewayv2_stage.live.default_route_settings[0].throttling_burst_limit > 0
    error_message = "the API must be throttled"
  }
  assert {
    condition     = var.environment == "dev" ? var.reserved_concurrency == null : alltrue([for bound in values(var.reserved_concurrency) : bound > 0])
    error_message = "every function must have a bound; dev has none, for small accounts"
  }
}

run "the_process_logs_its_history_and_publishes_its_versions" {
  command = plan

  assert {
    condition     = aws_sfn_state_machine.orders.logging_configuration[0].level == "ALL" && aws_sfn_state_machine.orders.publish
    error_message = "the state machine must log all of its history and publish versions"
  }
}

run "all_new_orders_start_on_the_new_version" {
  command = plan

  assert {
    condition     = length(local.routes) == 1 && local.routes[0].weight == 100
    error_message = "all of them must"
  }
}

run "a_canary_takes_its_part_of_the_new_orders" {
  command = plan
  variables {
    deployment     = "canary"
    canary_percent = 20
    stable_version = 1
  }

  assert {
    condition     = [for route in local.routes : route.weight] == [20, 80] && endswith(local.routes[1].version, ":1")
    error_message = "20 of a hundred must start on the new version, 80 on version 1"
  }
}

run "the_first_canary_takes_all_of_them" {
  command = plan
  variables {
    deployment = "canary"
  }

  assert {
    condition     = length(local.routes) == 1 && local.routes[0].weight == 100
    error_message = "there is nothing else that they could start on"
  }
}
