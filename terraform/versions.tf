terraform {
  # 1.11 is the first whose S3 backend keeps its own lock, no longer as an experiment.
  required_version = ">= 1.11.0, < 2.0.0"

  # environments/<environment>.s3.tfbackend has most of it; the region, and the bucket, whose name has the
  # account's number in it, are told by whoever calls (docs/DEPLOYING.md). S3 itself keeps the lock.
  backend "s3" {}

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.100"
    }
  }
}
