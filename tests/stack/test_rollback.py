"""A rollback: new orders start on what was live before the deployment."""

from __future__ import annotations

from support.deployments import Canary, Deployments, RolledBack, only


def test_a_rollback_takes_all_new_orders_back_to_the_version_before(canary: Canary, rolled_back: RolledBack) -> None:
    assert rolled_back.routes == [(canary.first_version, 100)]


def test_a_rollback_takes_every_function_with_an_alias_back(canary: Canary, rolled_back: RolledBack) -> None:
    assert rolled_back.aliases == canary.first_aliases
    assert len(rolled_back.aliases) == 7


def test_what_is_finished_is_not_rolled_back_as_unfinished(deployments: Deployments, rolled_back: RolledBack) -> None:
    done = deployments.run("rollback", "--unfinished", "--stack", deployments.shop.stack.name)
    assert (done.returncode, "is unfinished" in done.stdout) == (0, True)
    assert deployments.routes() == rolled_back.routes


# The local engine starts every order with the newest definition, whatever the alias says. So this looks at what the
# alias names, and has an order that is still in flight go on with it.
def test_what_the_version_before_calls_is_still_there(
    deployments: Deployments, canary: Canary, rolled_back: RolledBack
) -> None:
    assert deployments.called_by(rolled_back.routes[0][0]) == canary.first_functions


def test_an_order_from_before_a_deployment_completes_after_its_rollback(
    deployments: Deployments, canary: Canary, rolled_back: RolledBack
) -> None:
    assert rolled_back.routes
    order = canary.waiting[1]
    deployments.approve(order)
    assert deployments.ran(order) == only(canary.first_functions)
