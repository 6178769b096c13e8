# Nothing here is special for a laptop: the provider reads AWS_ENDPOINT_URL, which `make up` sets.
provider "aws" {
  region              = var.region
  allowed_account_ids = var.account_id == null ? null : [var.account_id]

  default_tags {
    tags = {
      Application = "orders"
      Environment = var.environment
      ManagedBy   = "terraform"
    }
  }
}
