# Who is an operator. A user pool of this environment's own, unless the shop has an issuer already; on a laptop
# the page may ask nobody.

locals {
  user_pools = toset(var.console_open || var.console_issuer != null ? [] : [local.names.user_pool])

  # What the page has to know of who signs people in, whoever that is.
  sign_in = (
    var.console_issuer != null
    ? {
      issuer        = var.console_issuer.issuer
      client_id     = var.console_issuer.client_id
      authorize_url = var.console_issuer.authorize_url
      token_url     = var.console_issuer.token_url
      jwks_url      = var.console_issuer.jwks_url
      logout_url    = var.console_issuer.logout_url
      groups_claim  = var.console_issuer.groups_claim
      scopes        = var.console_issuer.scopes
    }
    : one([
      for name in local.user_pools : {
        issuer        = "https://${aws_cognito_user_pool.operators[name].endpoint}"
        client_id     = aws_cognito_user_pool_client.console[name].id
        authorize_url = "${local.sign_in_pages[name]}/oauth2/authorize"
        token_url     = "${local.sign_in_pages[name]}/oauth2/token"
        jwks_url = (
          var.cognito_endpoint == null
          ? "https://${aws_cognito_user_pool.operators[name].endpoint}/.well-known/jwks.json"
          : "${var.cognito_endpoint}/${aws_cognito_user_pool.operators[name].id}/.well-known/jwks.json"
        )
        logout_url   = "${local.sign_in_pages[name]}/logout"
        groups_claim = "cognito:groups"
        scopes       = "openid email"
      }
    ])
  )

  # Where Cognito's own pages are.
  sign_in_pages = {
    for name in local.user_pools : name => coalesce(
      var.cognito_endpoint,
      "https://${aws_cognito_user_pool_domain.operators[name].domain}.auth.${var.region}.amazoncognito.com",
    )
  }

  # Whose names the function knows.
  groups = {
    operators = "May see orders and act on them."
    viewers   = "May see orders."
  }
}

resource "aws_cognito_user_pool" "operators" {
  for_each = local.user_pools

  name                = each.key
  deletion_protection = var.deletion_protection && var.user_pool_protection ? "ACTIVE" : "INACTIVE"

  # People are called by their e-mail addresses, in any case of letters.
  username_attributes      = ["email"]
  auto_verified_attributes = ["email"]
  username_configuration {
    case_sensitive = false
  }

  # Nobody signs up; an administrator makes operators.
  admin_create_user_config {
    allow_admin_create_user_only = true
    invite_message_template {
      email_subject = "You may sign in to ${local.prefix}"
      email_message = "The orders are at ${local.console_url}<br>Your name there: {username}<br>Your password, for once and within a week: {####}"
      # Never sent, for nobody has a number; but the provider would send Cognito an empty one, which it refuses
      # (github.com/hashicorp/terraform-provider-aws/issues/13060).
      sms_message = "Your name: {username} Your password: {####}"
    }
  }

  password_policy {
    minimum_length                   = 12
    require_lowercase                = true
    require_numbers                  = true
    require_symbols                  = true
    require_uppercase                = true
    temporary_password_validity_days = 7
  }

  mfa_configuration = var.console_mfa
  # Refused together with OFF.
  dynamic "software_token_mfa_configuration" {
    for_each = var.console_mfa == "OFF" ? [] : [true]
    content {
      enabled = true
    }
  }

  account_recovery_setting {
    recovery_mechanism {
      name     = "verified_email"
      priority = 1
    }
  }

  # What an operator does is noted with the address: it must be his.
  user_attribute_update_settings {
    attributes_require_verification_before_update = ["email"]
  }
}

resource "aws_cognito_user_pool_client" "console" {
  for_each = local.user_pools

  name         = local.names.console
  user_pool_id = aws_cognito_user_pool.operators[each.key].id

  # A code with PKCE is worth nothing to whoever has not begun the sign-in, so that there is no secret to keep.
  generate_secret                      = false
  allowed_oauth_flows_user_pool_client = true
  allowed_oauth_flows                  = ["code"]
  allowed_oauth_scopes                 = ["openid", "email"]
  supported_identity_providers         = ["COGNITO"]
  callback_urls                        = ["${local.console_url}/auth/callback"]
  logout_urls                          = ["${local.console_url}/"]

  # Nothing refreshes: whoever is still there after a shift signs in anew, and is asked whether he still may.
  explicit_auth_flows           = ["ALLOW_USER_SRP_AUTH"]
  prevent_user_existence_errors = "ENABLED"
  enable_token_revocation       = true

  # The page uses the ID token alone. The others are as short as Cognito allows: an access token lives for five
  # minutes at least, and a refresh token for longer than the two.
  id_token_validity      = 8
  access_token_validity  = 5
  refresh_token_validity = 1
  token_validity_units {
    id_token      = "hours"
    access_token  = "minutes"
    refresh_token = "days"
  }

  # Without a list, whoever is signed in may write all of his attributes. What people sign in by has to be among
  # them: Cognito refuses a client that may not write a required attribute ("Invalid write attributes",
  # github.com/aws/aws-cdk/issues/2608). An address takes the old one's place only once a mail to it was answered,
  # see above.
  read_attributes  = ["email", "email_verified"]
  write_attributes = ["email"]
}

resource "aws_cognito_user_pool_domain" "operators" {
  for_each = local.user_pools

  domain       = local.names.sign_in_domain
  user_pool_id = aws_cognito_user_pool.operators[each.key].id
  # Cognito's plain pages. Those of version 2 show nothing before somebody has given them a look.
  managed_login_version = 1
}

resource "aws_cognito_user_group" "operators" {
  for_each = { for pair in setproduct(local.user_pools, keys(local.groups)) : pair[1] => pair[0] }

  name         = each.key
  description  = local.groups[each.key]
  user_pool_id = aws_cognito_user_pool.operators[each.value].id
}
