"""AWS's own APIs, for what Terraform cannot do: its state bucket, secrets, moving an alias back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from common import Problem


def client(service: str, settings: dict[str, str], region: str, *, validate: bool = True) -> Any:
    """A client that goes where `settings` (environment variables) say, and nowhere else."""
    # Only here: `make check-tools` has to run before the virtual environment exists.
    import botocore.config

    # No file of a developer may redirect a client that is told where to go.
    endpoint = settings.get("AWS_ENDPOINT_URL")
    config = botocore.config.Config(
        # No proxy reaches this machine's loopback; names below it are not resolved everywhere.
        proxies={} if endpoint else None,
        s3={"addressing_style": "path"} if endpoint else None,
        retries={"mode": "standard"},
        parameter_validation=validate,
    )
    return session(settings).create_client(service, region_name=region, endpoint_url=endpoint, config=config)


def session(settings: dict[str, str]) -> Any:
    """With the credentials of `settings`; of the shell, if there are none."""
    import botocore.session

    session = botocore.session.Session()
    if "AWS_ACCESS_KEY_ID" in settings:
        session.set_credentials(
            settings["AWS_ACCESS_KEY_ID"], settings.get("AWS_SECRET_ACCESS_KEY"), settings.get("AWS_SESSION_TOKEN")
        )
    return session


@contextmanager
def told(what: str, remedy: str) -> Iterator[None]:
    """Turns what AWS refuses into a message."""
    import botocore.exceptions

    try:
        yield
    except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError) as error:
        raise Problem(f"{what} ({error})", remedy) from None


def account(settings: dict[str, str], region: str) -> str:
    with told(
        "AWS does not know who you are",
        "sign in to AWS in this shell (aws sso login, AWS_PROFILE, keys); see `aws sts get-caller-identity`",
    ):
        return client("sts", settings, region).get_caller_identity()["Account"]


def state_bucket_name(settings: dict[str, str], region: str) -> str:
    """Bucket names are shared by all accounts; one bucket has the states of all environments there."""
    return f"orders-terraform-{account(settings, region)}-{region}"


def has_bucket(settings: dict[str, str], region: str, bucket: str) -> bool:
    """Whether Terraform's state has a place yet."""
    import botocore.exceptions

    try:
        # The name can be guessed: somebody else's bucket must not get our state.
        client("s3", settings, region).head_bucket(Bucket=bucket, ExpectedBucketOwner=account(settings, region))
    except botocore.exceptions.ClientError as error:
        if error.response["Error"]["Code"] in ("404", "NoSuchBucket"):
            return False
        raise Problem(
            f"the bucket {bucket}, which holds Terraform's state, cannot be used ({error})", "ask for access to it"
        ) from None
    return True


def make_state_bucket(settings: dict[str, str], region: str) -> str:
    """Private, versioned, encrypted, TLS only. Doing it again changes nothing. Answers its name."""
    bucket = state_bucket_name(settings, region)
    s3 = client("s3", settings, region)
    # us-east-1 is the one region that must not be named.
    where = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    tls_only = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "TlsOnly",
                "Effect": "Deny",
                "Principal": "*",
                "Action": "s3:*",
                "Resource": [f"arn:{s3.meta.partition}:s3:::{bucket}", f"arn:{s3.meta.partition}:s3:::{bucket}/*"],
                "Condition": {"Bool": {"aws:SecureTransport": "false"}},
            }
        ],
    }
    # A laptop's stack speaks plain http.
    tls = not (settings.get("AWS_ENDPOINT_URL") or "https://").startswith("http://")
    with told(
        f"the bucket {bucket} could not be set up", "see that you may create and configure buckets, then run it again"
    ):
        if not has_bucket(settings, region, bucket):
            s3.create_bucket(Bucket=bucket, **where)
        s3.put_public_access_block(
            Bucket=bucket,
            PublicAccessBlockConfiguration={
                "BlockPublicAcls": True,
                "IgnorePublicAcls": True,
                "BlockPublicPolicy": True,
                "RestrictPublicBuckets": True,
            },
        )
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        s3.put_bucket_encryption(
            Bucket=bucket,
            ServerSideEncryptionConfiguration={
                "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
            },
        )
        if tls:
            s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps(tls_only))
    return bucket
