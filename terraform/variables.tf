# What a deployment may choose. Shortcuts for a laptop (plain http, an open API) are refused by
# validation anywhere else, so that none of them can reach a real account by a copied file.

variable "environment" {
  description = "Name of the deployment; part of every resource's name. `local` is the stack on a laptop."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,14}$", var.environment))
    error_message = "environment must be 2 to 15 of a-z, 0-9 and -, first a letter."
  }
}

variable "region" {
  description = "AWS region of everything here."
  type        = string
  default     = "us-east-1"

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "region must be the name of an AWS region, such as eu-central-1."
  }
}

variable "account_id" {
  description = "Number of the AWS account that this environment belongs to; any other is refused. Null for whichever account the credentials are of."
  type        = string
  default     = null

  validation {
    condition     = var.account_id == null || can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id must be the 12 digits of an AWS account, or null."
  }
  validation {
    condition     = var.account_id != null || var.environment != "prod"
    error_message = "account_id must be set in prod, so that no other account is taken for it."
  }
}

variable "deployment" {
  description = "How new orders move to a new version of the process: all_at_once, or canary, a part of them first. Orders in flight stay where they started."
  type        = string
  default     = "all_at_once"

  validation {
    condition     = contains(["all_at_once", "canary"], var.deployment)
    error_message = "deployment must be all_at_once or canary."
  }
}

variable "canary_percent" {
  description = "How many of a hundred new orders start on the new version while deployment is canary."
  type        = number
  default     = 10

  validation {
    condition     = var.canary_percent >= 1 && var.canary_percent <= 49 && floor(var.canary_percent) == var.canary_percent
    error_message = "canary_percent must be a whole number from 1 to 49: the version with more is the one to go back to."
  }
}

variable "stable_version" {
  description = "Version of the process that keeps the other orders during a canary: the one that is live. `make deploy` finds it; null where there is none yet."
  type        = number
  default     = null

  validation {
    condition     = var.stable_version == null || try(var.stable_version >= 1 && floor(var.stable_version) == var.stable_version, false)
    error_message = "stable_version must be the number of a published version, or null."
  }
}

variable "artifacts_dir" {
  description = "Folder with one <function>/bootstrap.zip per function, as `cargo lambda build` lays them out."
  type        = string
  default     = "../target/lambda"

  validation {
    condition     = length(var.artifacts_dir) > 0
    error_message = "artifacts_dir must name a folder."
  }
}

variable "architecture" {
  description = "Processor the functions are built for: arm64 costs a fifth less, x86_64 runs on most laptops."
  type        = string
  default     = "arm64"

  validation {
    condition     = contains(["arm64", "x86_64"], var.architecture)
    error_message = "architecture must be arm64 or x86_64."
  }
}

variable "log_filter" {
  description = "What the functions log: error, warn, info or debug, and after a comma levels of single targets, such as info,store=debug."
  type        = string
  default     = "info"

  # A target without a level, or a level as a number, would come to trace.
  validation {
    condition     = can(regex("^(error|warn|info|debug)(,[a-z_:]+=(error|warn|info|debug|off))*$", var.log_filter)) || var.environment == "local"
    error_message = "log_filter must be error, warn, info or debug, perhaps with targets, such as info,store=debug: below that, whole requests are logged, with names and addresses."
  }
}

variable "log_retention_days" {
  description = "How long every log group keeps its events, in days."
  type        = number
  default     = 30

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "log_retention_days must be one of the periods that CloudWatch Logs offers (1, 3, 5, 7, 14, 30, 60, 90, …)."
  }
}

variable "point_in_time_recovery" {
  description = "Whether the tables can be restored to any second of the last 35 days."
  type        = bool
  default     = true

  validation {
    condition     = var.point_in_time_recovery || var.environment != "prod"
    error_message = "point_in_time_recovery must be on in prod: the orders table is the ledger of the money."
  }
}

variable "deletion_protection" {
  description = "Whether tables refuse to be deleted and deleted secrets can be recovered for 30 days."
  type        = bool
  default     = true

  validation {
    condition     = var.deletion_protection || var.environment != "prod"
    error_message = "deletion_protection must be on in prod."
  }
}

variable "user_pool_protection" {
  description = "Whether the page's own user pool refuses to be deleted where deletion_protection is on. Off, and deployed, before the environment is taken down: Cognito's UpdateUserPool resets whatever a call by hand leaves out."
  type        = bool
  default     = true
}

variable "review_limits" {
  description = "Order total above which a person looks first, by ISO 4217 currency, in its minor unit."
  type        = map(number)
  default = {
    EUR = 50000
    JPY = 75000
    USD = 50000
  }

  validation {
    condition     = alltrue([for currency, limit in var.review_limits : can(regex("^[A-Z]{3}$", currency)) && limit > 0 && floor(limit) == limit])
    error_message = "review_limits must map ISO 4217 codes such as EUR to whole amounts above 0 in the currency's minor unit."
  }
}

variable "monitoring" {
  description = "From when on something is wrong, and how often operators hear of it, in seconds; what is left out is the default, which docs/RUNBOOK.md, Limits and times, has for each. states: by name of the state."
  type = object({
    keeps_failing_after_s = optional(number)
    notices_every_s       = optional(number)
    hold_warning_s        = optional(number)
    states = optional(map(object({
      at_risk_after_s = optional(number)
      overdue_after_s = optional(number)
    })), {})
  })
  default = {}

  validation {
    condition = alltrue([
      for value in concat(
        [var.monitoring.keeps_failing_after_s, var.monitoring.notices_every_s, var.monitoring.hold_warning_s],
        flatten([for limits in values(var.monitoring.states) : [limits.at_risk_after_s, limits.overdue_after_s]]),
      ) : value == null || try(value >= (var.environment == "local" ? 1 : 60) && floor(value) == value, false)
    ])
    error_message = "monitoring must be in whole seconds, at least 60: the monitor looks once a minute. Less is for environment `local`, where waits may be scaled."
  }
  validation {
    condition = alltrue([
      for state, limits in var.monitoring.states : try(
        coalesce(limits.overdue_after_s, local.facts.limits[state].overdue_after_s) > coalesce(limits.at_risk_after_s, local.facts.limits[state].at_risk_after_s),
        false,
      )
    ])
    error_message = "monitoring.states must name states of the process, and none may be overdue before it is at risk."
  }
}

variable "timeout_override_s" {
  description = "One timeout for all functions, for tests of timeouts on the local stack; null for each function's own."
  type        = number
  default     = null

  validation {
    condition     = var.timeout_override_s == null || var.environment == "local"
    error_message = "timeout_override_s is for the local stack only: a function needs the time that its calls can add up to."
  }
}

variable "payment_api_url" {
  description = "Base URL of the payment provider's API, without a trailing slash."
  type        = string
  default     = "https://api.stripe.com"

  validation {
    condition     = can(regex("^https?://[^/]+(/.*[^/])?$", var.payment_api_url))
    error_message = "payment_api_url must be an http(s) URL without a trailing slash."
  }
  validation {
    condition     = startswith(var.payment_api_url, "https://") || var.environment == "local"
    error_message = "payment_api_url must be https: payment credentials travel in clear otherwise. Plain http is for environment `local`."
  }
}

variable "payment_search_lag_s" {
  description = "How long, in seconds, after a function has ended a payment that the provider does not list is believed not to exist: a request that was given up may still be on its way."
  type        = number
  default     = 120

  validation {
    condition     = var.payment_search_lag_s >= 1 && floor(var.payment_search_lag_s) == var.payment_search_lag_s
    error_message = "payment_search_lag_s must be a whole number, at least 1."
  }
  validation {
    condition     = var.payment_search_lag_s >= 60 || var.environment == "local"
    error_message = "payment_search_lag_s below 60 may overlook money that is held; it is for environment `local` only."
  }
}

variable "carrier_settled_after_s" {
  description = "Seconds after which a label that the carrier does not know was never bought, though a request for it was given up on its way."
  type        = number
  default     = 120

  validation {
    condition     = var.carrier_settled_after_s >= 1 && floor(var.carrier_settled_after_s) == var.carrier_settled_after_s
    error_message = "carrier_settled_after_s must be a whole number, at least 1."
  }
  validation {
    condition     = var.carrier_settled_after_s >= 60 || var.environment == "local"
    error_message = "carrier_settled_after_s below 60 may overlook a label that is being made; it is for environment `local` only."
  }
}

variable "carrier_api_url" {
  description = "Base URL of the carrier's API, without a trailing slash."
  type        = string
  default     = "https://api.shipstation.com"

  validation {
    condition     = can(regex("^https?://[^/]+(/.*[^/])?$", var.carrier_api_url))
    error_message = "carrier_api_url must be an http(s) URL without a trailing slash."
  }
  validation {
    condition     = startswith(var.carrier_api_url, "https://") || var.environment == "local"
    error_message = "carrier_api_url must be https: names and addresses travel in clear otherwise. Plain http is for environment `local`."
  }
}

variable "carrier" {
  description = "What to ship with: the carrier account, its service, and the warehouse parcels leave from, as ShipStation names them."
  type = object({
    id           = string
    service_code = string
    # The service to where parcels need a customs declaration; without one, nothing is sold there.
    service_code_abroad = optional(string)
    warehouse_id        = string
    # Whom the driver calls: the shop, because an order has no number.
    contact_phone = string
    # What a piece weighs with its packing whose article in the catalogue does not say.
    grams_per_piece = number
    # What a parcel may weigh; what is heavier is packed into several, under one label. No more than both services take.
    max_parcel_g = optional(number, 30000)
    # Whether both services take several parcels under one label: ShipStation lists it of each service as
    # `is_multi_package_supported`. Without it, an order that takes more than one parcel is refused.
    multi_package = optional(bool, false)
    # To these countries a parcel goes without a customs declaration: the warehouse's own, and those of its customs
    # union. Elsewhere only articles are sold that have customs data in the catalogue.
    domestic_countries = set(string)
    # Whether ValidateOrder asks the carrier about the address before money is held. The carrier charges for it, and
    # has it in its larger plans only. Each look-up counts against the account's 200 calls a minute, which booking needs.
    validate_addresses = optional(bool, false)
  })

  validation {
    condition     = alltrue([for value in [var.carrier.id, var.carrier.service_code, var.carrier.warehouse_id, var.carrier.contact_phone] : length(value) > 0])
    error_message = "carrier.id, carrier.service_code, carrier.warehouse_id and carrier.contact_phone must not be empty."
  }
  validation {
    condition     = var.carrier.grams_per_piece > 0 && floor(var.carrier.grams_per_piece) == var.carrier.grams_per_piece
    error_message = "carrier.grams_per_piece must be a whole number above 0."
  }
  validation {
    condition     = var.carrier.max_parcel_g >= 1 && var.carrier.max_parcel_g <= 70000 && floor(var.carrier.max_parcel_g) == var.carrier.max_parcel_g
    error_message = "carrier.max_parcel_g must be a whole number of grams from 1 to 70000."
  }
  validation {
    condition     = var.carrier.grams_per_piece <= var.carrier.max_parcel_g
    error_message = "carrier.grams_per_piece must be at most carrier.max_parcel_g: a piece is not divided."
  }
  validation {
    condition     = var.carrier.service_code_abroad == null ? true : length(var.carrier.service_code_abroad) > 0
    error_message = "carrier.service_code_abroad must not be empty; leave it out to sell nothing abroad."
  }
  validation {
    condition     = length(var.carrier.domestic_countries) > 0 && alltrue([for country in var.carrier.domestic_countries : can(regex("^[A-Z]{2}$", country))])
    error_message = "carrier.domestic_countries must be countries (ISO 3166-1 alpha-2, such as US), the warehouse's own among them."
  }
}

variable "operator_emails" {
  description = "E-mail addresses that hear of what needs a person, of alarms and of the budget. Each has to confirm once."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for address in var.operator_emails : can(regex("^[^@\\s]+@[^@\\s]+\\.[^@\\s]+$", address))])
    error_message = "operator_emails must be e-mail addresses."
  }
  validation {
    condition     = length(var.operator_emails) > 0 || var.environment != "prod"
    error_message = "operator_emails must name somebody in prod: orders wait for them."
  }
}

variable "notices_webhook" {
  description = "Whether the monitor's notices are also posted to a webhook, signed. Its address and keys go into the secret orders-<environment>/notices-webhook by hand; docs/RUNBOOK.md, Webhook."
  type        = bool
  default     = false
}

variable "monthly_budget_usd" {
  description = "What the account may cost in a month, in whole US dollars; operators hear at 80 % of it, and when it is going to be exceeded."
  type        = number
  default     = 100

  validation {
    condition     = var.monthly_budget_usd >= 1 && floor(var.monthly_budget_usd) == var.monthly_budget_usd
    error_message = "monthly_budget_usd must be a whole number of US dollars, at least 1."
  }
}

variable "reserved_concurrency" {
  description = "How many of a function run at once at most, by function, where it is to be another number than functions.json's: a flood of orders must overrun neither the providers nor the account. Null for no bound at all: an account with few concurrent executions cannot reserve any."
  type        = map(number)
  default     = {}

  validation {
    condition     = var.reserved_concurrency == null || try(alltrue([for bound in values(var.reserved_concurrency) : bound >= 1 && floor(bound) == bound]), false)
    error_message = "reserved_concurrency must be a whole number, at least 1, for each function that it names, or null for none."
  }
  validation {
    condition     = var.reserved_concurrency == null || length(setsubtract(try(keys(var.reserved_concurrency), []), keys(local.functions))) == 0
    error_message = "reserved_concurrency names a function that there is not: terraform/functions.json has them."
  }
  validation {
    condition     = var.reserved_concurrency == null || try(lookup(var.reserved_concurrency, "intake-queue", 2) >= 2, false)
    error_message = "reserved_concurrency[\"intake-queue\"] must be at least 2: an event source mapping has no less."
  }
  validation {
    condition     = var.reserved_concurrency != null || var.environment != "prod"
    error_message = "reserved_concurrency must be set in prod: without it a flood of orders overruns the payment provider and the carrier."
  }
}

variable "saved_queries" {
  description = "Whether the runbook's queries are kept in CloudWatch Logs Insights. The stack on a laptop knows none."
  type        = bool
  default     = true
}

variable "sender_address" {
  description = "E-mail address that customers' messages come from. SES sends a confirmation to it once."
  type        = string

  validation {
    condition     = can(regex("^[^@\\s]+@[^@\\s]+\\.[^@\\s]+$", var.sender_address))
    error_message = "sender_address must be an e-mail address."
  }
}

variable "sender_is_verified" {
  description = "Whether SES knows the sender's address or its domain already, from another environment of this account for one; nothing is asked of SES then."
  type        = bool
  default     = false
}

variable "api_authorization" {
  description = "Who may call the order API: AWS_IAM takes signed requests only, NONE takes anyone's."
  type        = string
  default     = "AWS_IAM"

  validation {
    condition     = contains(["AWS_IAM", "NONE"], var.api_authorization)
    error_message = "api_authorization must be AWS_IAM or NONE."
  }
  validation {
    condition     = var.api_authorization == "AWS_IAM" || var.environment == "local"
    error_message = "api_authorization NONE lets anyone place and cancel orders; it is for environment `local` only."
  }
}

variable "api_throttle" {
  description = "Requests a second that each route of the order API takes for long, and at once. The account's own limit is for all routes of all its APIs."
  type = object({
    rate  = number
    burst = number
  })
  default = {
    rate  = 50
    burst = 100
  }

  validation {
    condition     = var.api_throttle.rate > 0 && var.api_throttle.burst >= var.api_throttle.rate
    error_message = "api_throttle.rate must be above 0 and api_throttle.burst at least as high."
  }
}

variable "console_open" {
  description = "Whether the operators' page asks nobody to sign in: whoever reaches it may act."
  type        = bool
  default     = false

  validation {
    condition     = !var.console_open || var.environment == "local"
    error_message = "console_open lets anyone see, cancel and approve orders; it is for environment `local` only."
  }
}

variable "console_url" {
  description = "Address of the operators' page on a laptop, where the API's own resolves nowhere, without a trailing slash; {api_id} in it stands for the API's id. Null for the API's own."
  type        = string
  default     = null

  validation {
    condition     = var.console_url == null || can(regex("^https?://[^/\\s]+(/[^\\s]*[^/\\s])?$", var.console_url))
    error_message = "console_url must be an http(s) URL without a trailing slash, or null."
  }
  validation {
    condition     = var.console_url == null || var.environment == "local"
    error_message = "console_url is for environment `local` only: elsewhere the page is where its API is, and signing in leads nowhere else."
  }
}

variable "console_mfa" {
  description = "Second factor in the page's own user pool, an app with one-time codes: ON asks everyone for it, OPTIONAL those who have set it up, OFF nobody."
  type        = string
  default     = "ON"

  validation {
    condition     = contains(["ON", "OPTIONAL", "OFF"], var.console_mfa)
    error_message = "console_mfa must be ON, OPTIONAL or OFF."
  }
  validation {
    condition     = var.console_mfa != "OFF" || var.environment == "local"
    error_message = "console_mfa OFF leaves a password between anyone and the orders; it is for environment `local` only."
  }
}

variable "console_issuer" {
  description = "OpenID Connect issuer of the shop's own that signs operators in, by authorisation code with PKCE and without a secret; null for a user pool of this environment's own."
  type = object({
    # As it is in the tokens, to the letter.
    issuer        = string
    client_id     = string
    authorize_url = string
    token_url     = string
    jwks_url      = string
    # Where the issuer's own session ends; without it only the page's does.
    logout_url = optional(string)
    # The claim of the ID token that holds `operators` or `viewers`.
    groups_claim = optional(string, "groups")
    # Some issuers leave the groups out unless they are asked for them by a scope.
    scopes = optional(string, "openid email")
  })
  default = null

  validation {
    condition = var.console_issuer == null || try(alltrue([
      for url in [var.console_issuer.issuer, var.console_issuer.authorize_url, var.console_issuer.token_url, var.console_issuer.jwks_url, coalesce(var.console_issuer.logout_url, "https://none")] :
      can(regex("^https://[^/\\s]+(/[^\\s]*)?$", url))
    ]), false)
    error_message = "console_issuer's issuer and URLs must be https: whoever can change what the issuer says is any operator."
  }
  validation {
    condition     = var.console_issuer == null || try(length(var.console_issuer.client_id) > 0 && length(var.console_issuer.groups_claim) > 0, false)
    error_message = "console_issuer.client_id and console_issuer.groups_claim must not be empty."
  }
  validation {
    condition     = var.console_issuer == null || try(contains(split(" ", var.console_issuer.scopes), "openid"), false)
    error_message = "console_issuer.scopes must have openid among them, or no ID token is given."
  }
}

variable "cognito_endpoint" {
  description = "Base URL of the local stack's Cognito, without a trailing slash: its pages and keys are not where its tokens say. Null for AWS's own."
  type        = string
  default     = null

  validation {
    condition     = var.cognito_endpoint == null || can(regex("^https?://[^/\\s]+$", var.cognito_endpoint))
    error_message = "cognito_endpoint must be an http(s) URL without a path, or null."
  }
  validation {
    condition     = var.cognito_endpoint == null || var.environment == "local"
    error_message = "cognito_endpoint is for environment `local` only: whoever answers there says who is an operator."
  }
}
