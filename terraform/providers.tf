# Nothing here is special for a laptop: the provider reads AWS_ENDPOINT_URL, which `make up` sets.
provider "aws" {
  region = var.region

  default_tags {
    tags = {
      Application = "orders"
      Environment = var.environment
      ManagedBy   = "terraform"
    }
  }
}
