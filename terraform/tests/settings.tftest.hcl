# What is refused. Nothing is called: the provider is a mock. Needs the built functions; `make
# check-terraform` brings it all together, and holds the validations in variables.tf against the
# refusals here: each has to be seen.

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
  environment     = "prod"
  account_id      = "123456789012"
  operator_emails = ["on-call@example.com"]
  # Any zips will do: the ones of the local stack are there.
  artifacts_dir  = "../target/functions"
  sender_address = "orders@example.com"
  carrier = {
    id                 = "se-123456"
    service_code       = "usps_priority_mail"
    warehouse_id       = "se-654321"
    contact_phone      = "+1 555 0100"
    grams_per_piece    = 500
    domestic_countries = ["US"]
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
    reserved_concurrency    = null
    console_open            = true
    console_url             = "http://127.0.0.1:4566"
    console_mfa             = "OFF"
    cognito_endpoint        = "http://127.0.0.1:4566"
  }
  expect_failures = [
    var.api_authorization,
    var.payment_api_url,
    var.carrier_api_url,
    var.deletion_protection,
    var.point_in_time_recovery,
    var.payment_search_lag_s,
    var.carrier_settled_after_s,
    var.log_filter,
    var.timeout_override_s,
    var.reserved_concurrency,
    var.console_open,
    var.console_url,
    var.console_mfa,
    var.cognito_endpoint,
  ]
}

run "a_laptops_settings_are_refused_on_an_aws_account" {
  command = plan
  variables {
    environment = "local"
  }
  expect_failures = [data.aws_caller_identity.current]
}

run "production_belongs_to_an_account_and_to_somebody" {
  command = plan
  variables {
    account_id      = null
    operator_emails = []
  }
  expect_failures = [var.account_id, var.operator_emails]
}

run "a_target_without_a_level_would_log_everything" {
  command = plan
  variables {
    log_filter = "info,aws_smithy_runtime"
  }
  expect_failures = [var.log_filter]
}

run "values_that_mean_nothing_are_refused" {
  command = plan
  variables {
    region                  = "Frankfurt"
    account_id              = "1234"
    deployment              = "blue_green"
    canary_percent          = 0
    stable_version          = 0
    architecture            = "armv7"
    log_filter              = ""
    log_retention_days      = 45
    review_limits           = { euro = 50000 }
    payment_api_url         = "https://api.example.com/"
    payment_search_lag_s    = 0.5
    carrier_settled_after_s = 0
    carrier_api_url         = "api.example.com"
    carrier = {
      id                 = ""
      service_code       = "usps_priority_mail"
      warehouse_id       = "se-654321"
      contact_phone      = "+1 555 0100"
      grams_per_piece    = 500
      domestic_countries = ["US"]
    }
    sender_address       = "orders"
    operator_emails      = ["on call"]
    monthly_budget_usd   = 0
    api_authorization    = "JWT"
    api_throttle         = { rate = 50, burst = 10 }
    reserved_concurrency = { charge = 0 }
    monitoring           = { notices_every_s = 0.5 }
    console_mfa          = "SMS"
    console_issuer = {
      issuer        = "http://login.example.com"
      client_id     = "console"
      authorize_url = "https://login.example.com/authorize"
      token_url     = "https://login.example.com/token"
      jwks_url      = "https://login.example.com/keys"
    }
  }
  expect_failures = [
    var.region,
    var.account_id,
    var.deployment,
    var.canary_percent,
    var.stable_version,
    var.architecture,
    var.log_filter,
    var.log_retention_days,
    var.review_limits,
    var.payment_api_url,
    var.payment_search_lag_s,
    var.carrier_settled_after_s,
    var.carrier_api_url,
    var.carrier,
    var.sender_address,
    var.operator_emails,
    var.monitoring,
    var.monthly_budget_usd,
    var.api_authorization,
    var.api_throttle,
    var.reserved_concurrency,
    var.console_mfa,
    var.console_issuer,
  ]
}

run "a_bound_is_of_a_function_that_there_is" {
  command = plan
  variables {
    reserved_concurrency = { chrage = 20 }
  }
  expect_failures = [var.reserved_concurrency]
}

run "a_queue_is_read_by_two_or_more" {
  command = plan
  variables {
    reserved_concurrency = { intake-queue = 1 }
  }
  expect_failures = [var.reserved_concurrency]
}

run "a_parcel_weighs_whole_grams" {
  command = plan
  variables {
    carrier = {
      id                 = "se-123456"
      service_code       = "usps_priority_mail"
      warehouse_id       = "se-654321"
      contact_phone      = "+1 555 0100"
      grams_per_piece    = 0.5
      domestic_countries = ["US"]
    }
  }
  expect_failures = [var.carrier]
}

run "a_parcel_holds_a_piece" {
  command = plan
  variables {
    carrier = {
      id                 = "se-123456"
      service_code       = "usps_priority_mail"
      warehouse_id       = "se-654321"
      contact_phone      = "+1 555 0100"
      grams_per_piece    = 500
      max_parcel_g       = 499
      domestic_countries = ["US"]
    }
  }
  expect_failures = [var.carrier]
}

run "a_parcel_weighs_what_a_person_carries" {
  command = plan
  variables {
    carrier = {
      id                 = "se-123456"
      service_code       = "usps_priority_mail"
      warehouse_id       = "se-654321"
      contact_phone      = "+1 555 0100"
      grams_per_piece    = 500
      max_parcel_g       = 70001
      domestic_countries = ["US"]
    }
  }
  expect_failures = [var.carrier]
}

run "a_parcel_weighs_something" {
  command = plan
  variables {
    carrier = {
      id                 = "se-123456"
      service_code       = "usps_priority_mail"
      warehouse_id       = "se-654321"
      contact_phone      = "+1 555 0100"
      grams_per_piece    = 500
      max_parcel_g       = 0
      domestic_countries = ["US"]
    }
  }
  expect_failures = [var.carrier]
}

run "a_service_abroad_has_a_name" {
  command = plan
  variables {
    carrier = {
      id                  = "se-123456"
      service_code        = "usps_priority_mail"
      warehouse_id        = "se-654321"
      contact_phone       = "+1 555 0100"
      grams_per_piece     = 500
      service_code_abroad = ""
      domestic_countries  = ["US"]
    }
  }
  expect_failures = [var.carrier]
}

run "domestic_countries_are_countries" {
  command = plan
  variables {
    carrier = {
      id                 = "se-123456"
      service_code       = "usps_priority_mail"
      warehouse_id       = "se-654321"
      contact_phone      = "+1 555 0100"
      grams_per_piece    = 500
      domestic_countries = ["USA"]
    }
  }
  expect_failures = [var.carrier]
}

# On a laptop, where these may be set at all.
run "a_laptops_addresses_are_urls" {
  command = plan
  override_data {
    target = data.aws_caller_identity.current
    values = { account_id = "000000000000" }
  }
  variables {
    environment      = "local"
    account_id       = "000000000000"
    console_url      = "http://127.0.0.1:4566/"
    cognito_endpoint = "127.0.0.1:4566"
  }
  expect_failures = [var.console_url, var.cognito_endpoint]
}

run "an_issuer_knows_the_page_by_a_name" {
  command = plan
  variables {
    console_issuer = {
      issuer        = "https://login.example.com"
      client_id     = ""
      authorize_url = "https://login.example.com/authorize"
      token_url     = "https://login.example.com/token"
      jwks_url      = "https://login.example.com/keys"
    }
  }
  expect_failures = [var.console_issuer]
}

run "an_issuer_is_asked_for_an_id_token" {
  command = plan
  variables {
    console_issuer = {
      issuer        = "https://login.example.com"
      client_id     = "console"
      authorize_url = "https://login.example.com/authorize"
      token_url     = "https://login.example.com/token"
      jwks_url      = "https://login.example.com/keys"
      scopes        = "email groups"
    }
  }
  expect_failures = [var.console_issuer]
}

run "an_environment_has_a_name_that_fits_into_every_resources_own" {
  command = plan
  variables {
    environment = "Production!"
  }
  expect_failures = [var.environment]
}

run "artifacts_are_somewhere" {
  command = plan
  variables {
    artifacts_dir = ""
  }
  expect_failures = [var.artifacts_dir]
}

run "a_state_is_not_overdue_before_it_is_at_risk" {
  command = plan
  variables {
    monitoring = { states = { ShipOrder = { at_risk_after_s = 3600 } } }
  }
  expect_failures = [var.monitoring]
}

run "limits_are_of_states_of_the_process" {
  command = plan
  variables {
    monitoring = { states = { Ship = { overdue_after_s = 3600 } } }
  }
  expect_failures = [var.monitoring]
}
