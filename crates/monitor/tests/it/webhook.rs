//! What is posted to the operators' webhook, and what becomes of it where it is not taken.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::{OrderId, Timestamp};
use hmac::{Hmac, KeyInit as _, Mac as _};
use monitor::Webhook;
use operations::{Cause, Incident, Problem, ProcessState};
use provider::Secret;
use read_models::Target;
use serde_json::{Value, json};
use sha2::Sha256;
use tests::{assert_impersonal, sdk_config};

use crate::notices::gave_up;
use crate::{Shop, monitor};

/// What the receiver has for a request.
#[derive(Clone, Copy)]
enum Answer {
    Status(u16),
    /// Comes later than anyone waits for.
    Late,
    /// To somewhere else on it.
    Redirect,
}

#[derive(Clone)]
struct Posted {
    path: String,
    headers: BTreeMap<String, String>,
    body: String,
}

/// Whoever notices are posted to, on a port of its own until the test's process ends.
#[derive(Clone)]
struct Receiver {
    url: String,
    answer: Arc<Mutex<Answer>>,
    posted: Arc<Mutex<Vec<Posted>>>,
}

const PATIENCE: Duration = Duration::from_millis(500);

fn receiver() -> Receiver {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    let receiver = Receiver {
        url: format!("http://{address}/a-path-that-nobody-knows"),
        answer: Arc::new(Mutex::new(Answer::Status(204))),
        posted: Arc::default(),
    };
    let served = receiver.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let served = served.clone();
            std::thread::spawn(move || stream.and_then(|stream| served.serve(stream)));
        }
    });
    receiver
}

impl Receiver {
    fn answers(&self, answer: Answer) {
        *self.answer.lock().expect("a lock") = answer;
    }

    fn posted(&self) -> Vec<Posted> {
        self.posted.lock().expect("a lock").clone()
    }

    fn serve(&self, mut stream: TcpStream) -> std::io::Result<()> {
        let mut reader = BufReader::new(stream.try_clone()?);
        let mut request = String::new();
        reader.read_line(&mut request)?;
        let mut headers = BTreeMap::new();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            let Some((name, value)) = line.trim().split_once(": ") else {
                break;
            };
            headers.insert(name.to_lowercase(), value.to_owned());
        }
        let length = headers.get("content-length");
        let length = length.and_then(|length| length.parse().ok()).unwrap_or(0);
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        self.posted.lock().expect("a lock").push(Posted {
            path: request.split(' ').nth(1).unwrap_or_default().to_owned(),
            headers,
            body: String::from_utf8_lossy(&body).into_owned(),
        });
        let answer = *self.answer.lock().expect("a lock");
        let head = match answer {
            Answer::Status(status) => format!("{status} as told"),
            Answer::Late => {
                std::thread::sleep(PATIENCE * 2);
                "204 late".to_owned()
            }
            Answer::Redirect => "307 elsewhere\r\nlocation: /elsewhere".to_owned(),
        };
        let head = format!("HTTP/1.1 {head}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        stream.write_all(head.as_bytes())
    }

    fn webhook(&self, keys: &[&[u8]]) -> Webhook {
        let keys = keys
            .iter()
            .map(|key| format!("whsec_{}", STANDARD.encode(key)));
        let secret = json!({"url": self.url, "keys": keys.collect::<Vec<_>>()});
        let secret = Secret::known(&sdk_config(&self.url), &secret.to_string());
        Webhook::new(secret, PATIENCE).expect("a webhook")
    }
}

impl Posted {
    /// What the specification has a receiver compute.
    fn signature(&self, key: &[u8]) -> String {
        let (id, at) = (
            &self.headers["webhook-id"],
            &self.headers["webhook-timestamp"],
        );
        let mut hmac = Hmac::<Sha256>::new_from_slice(key).expect("a key");
        hmac.update(format!("{id}.{at}.{}", self.body).as_bytes());
        format!("v1,{}", STANDARD.encode(hmac.finalize().into_bytes()))
    }

    fn content(&self) -> Value {
        serde_json::from_str(&self.body).expect("JSON")
    }
}

const NEW: &[u8] = b"the newer one of two signing keys";
const OLD: &[u8] = b"the older one of two signing keys";
const SUBJECT: &str = "[test] 1 order: unfinished in CancelShipment";

#[tokio::test]
async fn a_notice_is_posted_once_and_signed_with_each_key() {
    let receiver = receiver();
    let webhook = receiver.webhook(&[NEW, OLD]).on_a_laptop();
    let shop = Shop::open().await.posting_to(webhook);
    gave_up(&shop, "ord-1").await;
    for later_s in [1, 20 * 60] {
        assert_eq!(shop.sweep(later_s).await.undelivered, 0);
    }
    let posted = receiver.posted();
    let [notice] = posted.as_slice() else {
        panic!("{} were posted", posted.len());
    };
    assert_eq!(notice.path, "/a-path-that-nobody-knows");
    assert_eq!(notice.headers["content-type"], "application/json");
    let signed = [notice.signature(NEW), notice.signature(OLD)].join(" ");
    assert_eq!(notice.headers["webhook-signature"], signed);
    let at: i64 = notice.headers["webhook-timestamp"].parse().expect("a time");
    assert!((Timestamp::now().as_second() - at).abs() < 60, "{at}");
    assert_impersonal(&notice.body);
    let content = notice.content();
    assert_eq!(content["data"]["order_ids"], json!(["ord-1"]));
    assert_eq!(content["data"]["amounts"], json!({"USD": 3098}));
    assert!(content["data"]["since"].is_string(), "{content}");
    // Beside the other way, not in its place.
    assert_eq!(shop.notices.0.notices(), [SUBJECT]);
}

#[tokio::test]
async fn what_the_webhook_did_not_take_is_posted_again_as_the_same_message() {
    let receiver = receiver();
    let webhook = receiver.webhook(&[NEW]).on_a_laptop();
    let shop = Shop::open().await.posting_to(webhook);
    gave_up(&shop, "ord-1").await;
    let mut ids = Vec::new();
    for (answer, undelivered) in [
        (Answer::Status(500), 1),
        (Answer::Late, 1),
        (Answer::Redirect, 1),
        (Answer::Status(200), 0),
    ] {
        receiver.answers(answer);
        assert_eq!(shop.sweep(1).await.undelivered, undelivered);
        ids.extend(
            receiver
                .posted()
                .last()
                .map(|posted| posted.headers["webhook-id"].clone()),
        );
    }
    let posted = receiver.posted();
    assert_eq!(posted.len(), 4, "nothing follows where it is sent to");
    ids.dedup();
    assert_eq!(ids.len(), 1, "{ids:?}");
    // Whatever became of that, everybody else heard of it at once, and once.
    assert_eq!(shop.notices.0.notices(), [SUBJECT]);
}

#[tokio::test]
async fn a_topic_that_takes_nothing_keeps_nothing_from_the_webhook() {
    let receiver = receiver();
    let webhook = receiver.webhook(&[NEW]).on_a_laptop();
    let shop = Shop::open().await.posting_to(webhook);
    gave_up(&shop, "ord-1").await;
    shop.notices.0.be_deaf(true);
    for later_s in [1, 2] {
        shop.sweep(later_s).await;
    }
    assert_eq!(receiver.posted().len(), 1);
    shop.notices.0.be_deaf(false);
    shop.sweep(3).await;
    assert_eq!(receiver.posted().len(), 1);
    assert_eq!(shop.notices.0.notices(), [SUBJECT]);
}

#[tokio::test]
async fn nothing_is_posted_in_the_clear_nor_unsigned() {
    let receiver = receiver();
    let short: &[u8] = b"short";
    for webhook in [
        receiver.webhook(&[NEW]),
        receiver.webhook(&[]).on_a_laptop(),
        receiver.webhook(&[NEW, short]).on_a_laptop(),
    ] {
        let shop = Shop::open().await.posting_to(webhook);
        gave_up(&shop, "ord-1").await;
        assert_eq!(shop.sweep(1).await.undelivered, 1);
        assert_eq!(receiver.posted().len(), 0);
    }
}

#[tokio::test]
async fn a_sweep_posts_a_part_of_many_and_the_next_one_the_rest() {
    let receiver = receiver();
    let webhook = receiver.webhook(&[NEW]).on_a_laptop();
    let shop = Shop::open().await.posting_to(webhook);
    let order: OrderId = "ord-1".parse().expect("an order id");
    let incidents = [
        Incident::Overdue,
        Incident::Unfinished,
        Incident::NotStarted,
    ];
    let causes = incidents.iter().flat_map(|incident| {
        let of = |state: &ProcessState| Cause {
            problem: Problem::Incident(*incident),
            state: Some(*state),
            error: None,
        };
        ProcessState::ALL.iter().map(of)
    });
    let causes: Vec<Cause> = causes.take(25).collect();
    assert!(causes.len() > 20, "{}", causes.len());
    for cause in &causes {
        let now = Timestamp::now();
        let filed = shop
            .database
            .read_models
            .file(cause, &order, &[Target::Webhook], now);
        filed.await.expect("filed");
    }
    assert_eq!(shop.sweep(1).await.undelivered, causes.len() - 20);
    assert_eq!(receiver.posted().len(), 20);
    assert_eq!(shop.sweep(2).await.undelivered, 0);
    assert_eq!(receiver.posted().len(), causes.len());
}

#[tokio::test]
async fn a_webhook_that_is_taken_away_leaves_nothing_for_the_next_one() {
    let receiver = receiver();
    receiver.answers(Answer::Status(500));
    let webhook = receiver.webhook(&[NEW]).on_a_laptop();
    let shop = Shop::open().await.posting_to(webhook);
    gave_up(&shop, "ord-1").await;
    shop.sweep(1).await;
    let without = monitor(&shop.database, &shop.step_functions, shop.notices.clone());
    without.sweep(Timestamp::now()).await.expect("a sweep");
    receiver.answers(Answer::Status(200));
    assert_eq!(shop.sweep(2).await.undelivered, 0);
    assert_eq!(receiver.posted().len(), 1);
}
