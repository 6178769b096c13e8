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
      for secret in concat([aws_secretsmanager_secret.payment, aws_secretsmanager_secret.carrier], aws_secretsmanager_secret.notices_webhook) :
      secret.recovery_window_in_days == (var.environment == "prod" ? 30 : 0)
    ])
    error_message = "in prod a deleted secret can be had back for 30 days; elsewhere its name is free at once"
  }
}

run "backups_can_be_read_for_as_long_as_kms_lets_them" {
  command = plan

  assert {
    condition     = aws_kms_key.data.deletion_window_in_days == (var.point_in_time_recovery ? 30 : 7)
    error_message = "where DynamoDB keeps backups of deleted tables, their key must go as late as it can"
  }
}

run "a_user_pool_is_given_up_by_a_setting" {
  command = plan
  variables {
    user_pool_protection = false
  }

  assert {
    condition     = alltrue([for pool in aws_cognito_user_pool.operators : pool.deletion_protection == "INACTIVE"])
    error_message = "a deployment must take its protection off"
  }
}

run "a_rollback_takes_back_what_is_asked" {
  command = plan

  assert {
    condition     = alltrue([for arn in values(local.asked_functions) : endswith(arn, ":live")]) && keys(aws_lambda_alias.asked) == keys(local.asked_functions)
    error_message = "whoever asks a step must ask its alias"
  }
}

run "lost_mail_is_told" {
  command = plan

  assert {
    condition = (
      local.settings.notify.environment.MAIL_CONFIGURATION_SET == aws_sesv2_configuration_set_event_destination.lost_mail.configuration_set_name
      && jsondecode(aws_cloudwatch_event_rule.lost_mail.event_pattern).detail.mail.tags["ses:configuration-set"] == [aws_sesv2_configuration_set.mail.configuration_set_name]
    )
    error_message = "the set that notify names must be the one whose events the rule is about"
  }
}

run "days_without_anything_learnt_raise_nothing" {
  command = plan

  assert {
    condition     = aws_cloudwatch_metric_alarm.no_orders.treat_missing_data == "notBreaching"
    error_message = "without a band there is nothing that orders could be below"
  }
}

run "nobody_places_orders_unsigned_but_on_a_laptop" {
  command = plan

  assert {
    condition     = alltrue([for route in aws_apigatewayv2_route.intake : route.authorization_type == (var.environment == "local" ? "NONE" : "AWS_IAM")])
    error_message = "every route must ask for a signature"
  }
}

run "nobody_sees_orders_without_signing_in_but_on_a_laptop" {
  command = plan

  assert {
    condition     = var.environment == "local" ? local.settings.console.environment.SIGN_IN == "none" : length(aws_cognito_user_pool.operators) == 1
    error_message = "there must be a user pool, and on a laptop none"
  }
  assert {
    condition = alltrue([
      for pool in aws_cognito_user_pool.operators :
      pool.admin_create_user_config[0].allow_admin_create_user_only && pool.password_policy[0].minimum_length >= 12
    ])
    error_message = "nobody may sign up, and passwords must be long"
  }
  assert {
    condition = alltrue([
      for pool in aws_cognito_user_pool.operators :
      var.environment != "prod" || (pool.mfa_configuration == "ON" && pool.software_token_mfa_configuration[0].enabled && pool.deletion_protection == "ACTIVE")
    ])
    error_message = "in prod a second factor must be asked for, and operators protected"
  }
  assert {
    condition = alltrue([
      for client in aws_cognito_user_pool_client.console :
      !client.generate_secret && client.allowed_oauth_flows == toset(["code"]) && client.write_attributes == toset(["email"])
    ])
    error_message = "the page signs people in by a code, has no secret, and may write what is required and nothing else"
  }
  assert {
    condition = alltrue([
      for pool in aws_cognito_user_pool.operators :
      pool.user_attribute_update_settings[0].attributes_require_verification_before_update == toset(["email"])
    ])
    error_message = "an address that nobody has shown to be his must not be what actions are noted with"
  }
  assert {
    condition     = join(" ", keys(aws_cognito_user_group.operators)) == (var.environment == "local" ? "" : "operators viewers")
    error_message = "there must be a group of those who act and one of those who look"
  }
}

run "an_issuer_of_the_shops_own_takes_the_user_pools_place" {
  command = plan
  variables {
    console_open = false
    console_issuer = {
      issuer        = "https://login.example.com"
      client_id     = "console"
      authorize_url = "https://login.example.com/authorize"
      token_url     = "https://login.example.com/token"
      jwks_url      = "https://login.example.com/keys"
    }
  }

  assert {
    condition     = length(aws_cognito_user_pool.operators) == 0 && length(aws_cognito_user_group.operators) == 0
    error_message = "there must be no second place where operators are"
  }
  assert {
    condition = jsondecode(local.settings.console.environment.SIGN_IN) == {
      issuer        = "https://login.example.com"
      client_id     = "console"
      authorize_url = "https://login.example.com/authorize"
      token_url     = "https://login.example.com/token"
      jwks_url      = "https://login.example.com/keys"
      logout_url    = null
      groups_claim  = "groups"
      scopes        = "openid email"
    }
    error_message = "the page must know all of it"
  }
}

# As the tests of the page have it, whatever the environment is called here.
run "a_laptop_may_sign_in_with_its_own_cognito" {
  command = plan
  override_resource {
    target = aws_apigatewayv2_api.console
    values = {
      id            = "abc123"
      execution_arn = "arn:aws:execute-api:us-east-1:000000000000:abc123"
    }
    override_during = plan
  }
  variables {
    environment      = "local"
    console_open     = false
    console_mfa      = "OFF"
    console_url      = "http://127.0.0.1:4566/_aws/execute-api/{api_id}"
    cognito_endpoint = "http://127.0.0.1:4566"
  }

  assert {
    condition     = [local.sign_in.authorize_url, local.sign_in.token_url, local.sign_in.logout_url] == [for page in ["oauth2/authorize", "oauth2/token", "logout"] : "http://127.0.0.1:4566/${page}"]
    error_message = "its pages must be the local stack's"
  }
  assert {
    condition     = local.settings.console.environment.CONSOLE_URL == "http://127.0.0.1:4566/_aws/execute-api/abc123" && alltrue([for client in aws_cognito_user_pool_client.console : client.callback_urls == toset(["http://127.0.0.1:4566/_aws/execute-api/abc123/auth/callback"])])
    error_message = "signing in must lead back to where the page is reached"
  }
  assert {
    condition     = alltrue([for pool in aws_cognito_user_pool.operators : length(pool.software_token_mfa_configuration) == 0])
    error_message = "without a second factor Cognito takes no settings of one"
  }
}

run "notices_are_posted_only_where_somebody_wants_them" {
  command = plan

  assert {
    condition     = length(aws_secretsmanager_secret.notices_webhook) == (var.environment == "local" ? 1 : 0)
    error_message = "the stack on a laptop has a webhook, the others none unless they are given one"
  }
}

run "a_webhook_has_a_secret_of_its_own" {
  command = plan
  variables {
    notices_webhook = true
  }

  assert {
    condition     = [for secret in aws_secretsmanager_secret.notices_webhook : secret.name] == ["orders-${var.environment}/notices-webhook"]
    error_message = "its address and keys are kept in it"
  }
}

run "a_flood_of_orders_is_bounded" {
  command = plan

  assert {
    condition     = aws_apigatewayv2_stage.live.default_route_settings[0].throttling_rate_limit > 0 && aws_apigatewayv2_stage.live.default_route_settings[0].throttling_burst_limit > 0
    error_message = "the API must be throttled"
  }
  assert {
    condition     = aws_apigatewayv2_stage.console.default_route_settings[0].throttling_rate_limit > 0 && aws_apigatewayv2_stage.console.default_route_settings[0].throttling_burst_limit > 0
    error_message = "the operators' page must be throttled"
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
