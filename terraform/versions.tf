terraform {
  # 1.9 is the first in which a variable's validation may look at another variable.
  required_version = ">= 1.9.0, < 2.0.0"

  # `terraform init -backend-config=path=…` says where the state is: one file for each local stack.
  backend "local" {}

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.100"
    }
  }
}
