//! What a sweep costs.

use domain::Timestamp;
use domain::ports::Orders as _;
use monitor::LOOKS;
use tests::{document, step_functions, submission, watched_database};

use crate::{Told, monitor};

#[tokio::test]
async fn ten_thousand_open_orders_cost_a_sweep_a_bounded_number_of_requests() {
    let (database, requests) = watched_database().await;
    let step_functions = step_functions();
    let now = Timestamp::now();
    for number in 0..10_000_u32 {
        let submission = submission(&document(&format!("ord-{number}")));
        let accepted = database.store.accept(&submission, now).await;
        accepted.expect("accepted");
    }
    let monitor = monitor(database.store.clone(), &step_functions, Told::default());
    let _ = requests.take();

    // Nobody is due.
    let swept = monitor.sweep(now).await.expect("a sweep");
    assert_eq!((swept.open, swept.looked), (10_000, 0));
    let idle = requests.take().len();
    assert!(idle <= 40, "{idle} requests for reading the index and the notices");

    // All are due: so many are looked at, and the others wait.
    let later = Timestamp::from_millisecond(now.as_millisecond() + 25_000).expect("a time");
    let swept = monitor.sweep(later).await.expect("a sweep");
    assert_eq!((swept.looked, swept.failed), (LOOKS, 0));
    assert_eq!(swept.postponed, 10_000 - LOOKS);
    let busy = requests.take().len();
    assert!(busy <= 2 * idle + 3 * LOOKS, "{busy} requests");
    assert!(step_functions.calls().len() <= 2 * LOOKS);

    // The next one goes on with others.
    let again = monitor.sweep(later).await.expect("a sweep");
    assert_eq!(again.postponed, 10_000 - 2 * LOOKS);
}
