"""A deployment while orders are in flight, by way of a canary: orders finish on the version that they started with."""

from __future__ import annotations

import argparse

import pytest

import deploy
from support.deployments import Canary, Deployed, Deployments, only
from support.shop import Shop
from support.waiting import PATIENCE_S


# Before anything is deployed: it stops whatever runs.
def test_orders_that_wait_are_stopped_before_a_state_machine_goes_away(shop: Shop) -> None:
    order = shop.in_review()
    arguments = argparse.Namespace(
        env=None, stack="e2e", yes=True, canary=False, artifacts=None, var=[], brief=False, unfinished=False
    )
    outputs = {"state_machine_arn": shop.endpoints["state_machine_arn"]}
    deploy.stop_executions(deploy.Environment(arguments), outputs)
    view = shop.becomes(order, {"workflow": {"status": "ABORTED"}}, patience_s=2 * PATIENCE_S)
    assert view["status"] == "needs_attention"


def test_a_canary_gets_a_tenth_of_new_orders(canary: Canary) -> None:
    (stable, weight), (_, canary_weight) = canary.routes
    assert (stable, weight, canary_weight) == (canary.first_version, 90, 10)


def test_a_deployment_takes_all_new_orders_to_the_new_version(canary: Canary, deployed: Deployed) -> None:
    (version, weight), *others = deployed.routes
    # The local engine drops the state machine's tracing, so that each deployment publishes it anew.
    assert version >= canary.routes[1][0]
    assert weight == 100
    assert not others


def test_a_deployment_of_another_build_has_every_function_anew(canary: Canary, deployed: Deployed) -> None:
    assert not set(canary.first_functions.items()) & set(deployed.functions.items())


def test_an_order_after_a_deployment_runs_the_new_version_only(deployments: Deployments, deployed: Deployed) -> None:
    assert deployments.ran(deployed.order) == only(deployed.functions)


@pytest.mark.usefixtures("deployed")
def test_an_order_from_before_a_deployment_stays_on_the_version_that_it_started_with(
    deployments: Deployments, canary: Canary
) -> None:
    order = canary.waiting[0]
    deployments.approve(order)
    assert deployments.ran(order) == only(canary.first_functions)
