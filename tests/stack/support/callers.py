"""People and systems of an account, as users of IAM, with policies attached to them."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import botocore.auth
import botocore.awsrequest
import botocore.credentials

import aws
from common import REGION
from support.iam import Document, Statement

_POLICY = "rights-of-a-test"


class Callers:
    """Users that are there for as long as a test needs them."""

    def __init__(self, settings: dict[str, str]):
        self.settings = settings
        self._iam = aws.client("iam", settings, REGION)
        self.account = aws.account(settings, REGION)

    def arn(self, policy: str) -> str:
        return f"arn:aws:iam::{self.account}:policy/{policy}"

    def document(self, policy: str) -> Document:
        """A managed policy as it is in force."""
        arn = self.arn(policy)
        version = self._iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
        document: Document = self._iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]
        return document

    @contextmanager
    def attached(self, user: str, *policies: str) -> Iterator[dict[str, str]]:
        """Settings of a client that is a user with these managed policies and nothing else."""
        with self._user(user) as settings:
            for policy in policies:
                self._iam.attach_user_policy(UserName=user, PolicyArn=self.arn(policy))
            try:
                yield settings
            finally:
                for policy in policies:
                    self._iam.detach_user_policy(UserName=user, PolicyArn=self.arn(policy))

    @contextmanager
    def allowed(self, user: str, statements: list[Statement]) -> Iterator[dict[str, str]]:
        """Settings of a client that is a user who may do this and nothing else."""
        document = {"Version": "2012-10-17", "Statement": statements}
        with self._user(user) as settings:
            self._iam.put_user_policy(UserName=user, PolicyName=_POLICY, PolicyDocument=json.dumps(document))
            try:
                yield settings
            finally:
                self._iam.delete_user_policy(UserName=user, PolicyName=_POLICY)

    @contextmanager
    def made(self, documents: Mapping[str, Document]) -> Iterator[tuple[str, ...]]:
        """Managed policies with these names."""
        made: list[str] = []
        try:
            for name, document in documents.items():
                self._iam.create_policy(PolicyName=name, PolicyDocument=json.dumps(document))
                made.append(name)
            yield tuple(made)
        finally:
            for name in made:
                self._iam.delete_policy(PolicyArn=self.arn(name))

    @contextmanager
    def _user(self, user: str) -> Iterator[dict[str, str]]:
        self._iam.create_user(UserName=user)
        key: dict[str, Any] = self._iam.create_access_key(UserName=user)["AccessKey"]
        try:
            yield {
                **self.settings,
                "AWS_ACCESS_KEY_ID": key["AccessKeyId"],
                "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"],
            }
        finally:
            self._iam.delete_access_key(UserName=user, AccessKeyId=key["AccessKeyId"])
            self._iam.delete_user(UserName=user)


def signed(settings: Mapping[str, str] | None, method: str, url: str, body: Mapping[str, Any] | None = None) -> int:
    """The status that a request to an HTTP API answers, signed by who has these settings, or by nobody."""
    content = b"" if body is None else json.dumps(body).encode()
    request = botocore.awsrequest.AWSRequest(method, url, {"content-type": "application/json"}, content)
    if settings:
        keys = botocore.credentials.Credentials(settings["AWS_ACCESS_KEY_ID"], settings["AWS_SECRET_ACCESS_KEY"])
        botocore.auth.SigV4Auth(keys, "execute-api", REGION).add_auth(request)
    # Straight to loopback: a proxy that the environment names cannot reach it.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    sent = urllib.request.Request(url, content or None, dict(request.headers.items()), method=method)
    try:
        with opener.open(sent, timeout=30) as answer:
            status: int = answer.status
    except urllib.error.HTTPError as error:
        status = error.code
    return status
