//! Witnesses that refuse, lie, or stay silent.

#![allow(clippy::arithmetic_side_effects, clippy::wildcard_enum_match_arm, reason = "test")]

use std::sync::atomic::{AtomicU64, Ordering};

use holdfast_log::{Checkpoint, Cosigner, KeyName};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::testing::{Cell, FakeNode, ed25519};

const NAME: &str = "witness.example/w1";

/// A witness for real: it remembers what it cosigned, and misbehaves as it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    Honest,
    /// Answers nothing.
    Silent,
    /// Refuses with this status.
    Refuses(u16),
    /// Signs with another key under its name.
    OtherKey,
    /// Signs another root.
    OtherRoot,
    /// Claims to have cosigned this many entries.
    Claims(u64),
    /// Answers with too much.
    Endless,
    /// Answers with something else.
    Babbles(&'static str),
}

struct Witness {
    url: String,
    cosigned: Arc<AtomicU64>,
    manner: Arc<Mutex<Manner>>,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Witness {
    async fn start(manner: Manner, cosigned: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let witness = Self {
            url: format!("http://{}/prefix", listener.local_addr().unwrap()),
            cosigned: Arc::new(AtomicU64::new(cosigned)),
            manner: Arc::new(Mutex::new(manner)),
            requests: Arc::default(),
        };
        let (cosigned, manner, requests) =
            (Arc::clone(&witness.cosigned), Arc::clone(&witness.manner), Arc::clone(&witness.requests));
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let request = read_request(&mut stream).await;
                let manner = *manner.lock().unwrap();
                requests.lock().unwrap().push(request.clone());
                if manner == Manner::Silent {
                    tokio::time::sleep(Duration::from_secs(60)).await;
                }
                let (status, kind, body) = answer(manner, &cosigned, &request);
                let head = format!(
                    "HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n",
                    body.len()
                );
                let _ = stream.write_all(&[head.as_bytes(), &body].concat()).await;
            }
        });
        witness
    }

    fn asking(&self, cell: &Cell) -> Asking {
        let server = OutsideServer::new(&self.url, None).unwrap();
        let outside = OutsideWitness { name: NAME.to_owned(), url: self.url.clone(), server };
        Asking::new(outside, cell.parts.clone())
    }
}

async fn read_request(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    loop {
        let mut page = [0; 4096];
        let count = stream.read(&mut page).await.unwrap();
        bytes.extend_from_slice(&page[..count]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length =
            head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
        if count == 0 || length.is_none_or(|length: usize| body.len() >= length) {
            return text;
        }
    }
}

fn answer(manner: Manner, cosigned: &AtomicU64, request: &str) -> (u16, &'static str, Vec<u8>) {
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("POST /prefix/add-checkpoint HTTP/1.1"), "{head}");
    let (first, note) = body.split_once("\n\n").unwrap();
    let old: u64 = first.lines().next().unwrap().strip_prefix("old ").unwrap().parse().unwrap();
    let proof = first.lines().skip(1).count();
    let stated =
        Checkpoint::parse_body(format!("{}\n", note.split_once("\n\n").unwrap().0).as_bytes()).unwrap();
    let known = cosigned.load(Ordering::SeqCst);
    match manner {
        Manner::Refuses(status) => return (status, "text/plain", b"no\n".to_vec()),
        Manner::Claims(size) => return (409, "text/x.tlog.size", format!("{size}\n").into_bytes()),
        Manner::Endless => return (200, "text/plain", vec![b'x'; 1 << 20]),
        Manner::Babbles(text) => return (200, "text/plain", text.as_bytes().to_vec()),
        _ if old != known => {
            return (409, "text/x.tlog.size; charset=utf-8", format!("{known}\n").into_bytes());
        }
        _ => {}
    }
    assert_eq!(
        proof == 0,
        old == 0 || old == stated.size,
        "a proof where none belongs, or none where one does"
    );
    let key = if manner == Manner::OtherKey { "thief" } else { "witness" };
    let mut signed = stated.clone();
    if manner == Manner::OtherRoot {
        signed.root.0[0] ^= 1;
    }
    let cosigner = Cosigner::new(KeyName::new(NAME).unwrap(), ed25519(key));
    cosigned.store(stated.size, Ordering::SeqCst);
    // A real witness may have other keys, whose lines are none of the log's business.
    let stranger = Cosigner::new(KeyName::new("witness.example/w2").unwrap(), ed25519("w2"));
    let lines =
        [stranger, cosigner].map(|cosigner| cosigner.cosign(&signed, 1_763_700_100).unwrap().to_line());
    (200, "text/plain", lines.concat().into_bytes())
}

/// A cell whose genesis document requires this witness, and its newest checkpoint.
async fn cell() -> (Cell, Arc<SignedCheckpoint>) {
    let cell = Cell::witnessed(NAME, "witness").await;
    cell.accept(cell.session_report()).await;
    let newest = newest(&cell).await;
    (cell, newest)
}

async fn newest(cell: &Cell) -> Arc<SignedCheckpoint> {
    let reader = cell.parts.book.read().await.unwrap();
    Arc::new(reader.checkpoint().unwrap().clone())
}

fn stands(cell: &Cell) -> v1::ClusterWitness {
    cell.parts.witnesses.stands(NAME)
}

#[tokio::test]
async fn witness_cosigns_a_log_that_grows_and_remembers_where_it_was() {
    let (cell, first) = cell().await;
    let witness = Witness::start(Manner::Honest, 0).await;
    let mut asking = witness.asking(&cell);
    asking.ask(&first).await.unwrap();
    assert_eq!(stands(&cell).cosigned_size, first.claimed().size);
    // When the log has grown, and a coordinator that knows nothing asks
    cell.accept(cell.session_report()).await;
    cell.accept(cell.session_report()).await;
    let second = newest(&cell).await;
    let mut asking = witness.asking(&cell);
    asking.ask(&second).await.unwrap();
    // Then it asked for all first, was told the size, and proved that the log only grew
    let requests = witness.requests.lock().unwrap().clone();
    assert_eq!(requests.len(), 3);
    assert!(requests[1].contains("\r\n\r\nold 0\n\n") && requests[2].contains("\r\n\r\nold 2\n"));
    assert_eq!(stands(&cell).cosigned_size, second.claimed().size);
    assert_eq!(stands(&cell).cosignature_time_ms, 1_763_700_100_000);
}

#[tokio::test]
async fn answers_without_the_witness_own_signature_over_our_root_count_for_nothing() {
    for manner in [
        Manner::OtherKey,
        Manner::OtherRoot,
        Manner::Endless,
        Manner::Babbles(""),
        Manner::Babbles("\n"),
        Manner::Babbles("\u{2014} witness.example/w1 AAAA\n"),
        Manner::Refuses(403),
        Manner::Refuses(404),
        Manner::Refuses(422),
        Manner::Refuses(500),
        Manner::Refuses(302),
    ] {
        let (cell, newest) = cell().await;
        let witness = Witness::start(manner, 0).await;
        assert!(witness.asking(&cell).ask(&newest).await.is_err(), "{manner:?}");
        assert_eq!(stands(&cell).cosigned_size, 0, "{manner:?}");
        let missing = cell.parts.cosigned.sufficient(0, Duration::from_millis(10)).await;
        assert!(missing.is_err(), "{manner:?}");
    }
}

#[tokio::test]
async fn witness_that_knows_more_than_the_log_or_another_root_raises_the_alarm() {
    let (cell, newest) = cell().await;
    let ahead = Witness::start(Manner::Claims(1_000), 0).await;
    assert!(matches!(
        ahead.asking(&cell).ask(&newest).await,
        Err(WitnessError::Ahead { theirs: 1_000, ours: 2 })
    ));
    // A size that it was just told, or one that it does not stand by
    let stubborn = Witness::start(Manner::Claims(0), 0).await;
    assert!(matches!(stubborn.asking(&cell).ask(&newest).await, Err(WitnessError::OtherRoot { size: 0 })));
    let fickle = Witness::start(Manner::Claims(1), 0).await;
    assert!(matches!(fickle.asking(&cell).ask(&newest).await, Err(WitnessError::Malformed(_))));
    let rootless = Witness::start(Manner::Refuses(409), 0).await;
    assert!(matches!(
        rootless.asking(&cell).ask(&newest).await,
        Err(WitnessError::Refused { status: 409, .. })
    ));
}

#[tokio::test]
async fn nothing_is_signed_while_a_required_witness_is_down_and_everything_once_it_is_back() {
    // Given a cell that requires a witness, and a witness that does not answer
    let cell = Cell::witnessed(NAME, "witness").await;
    cell.make_ready().await;
    cell.replicate();
    let witness = Witness::start(Manner::Refuses(503), 0).await;
    let asking = tokio::spawn(witness.asking(&cell).run(cell.stop.subscribe()));
    let drivers = crate::withdrawals::Withdrawals::new(cell.parts.clone());
    tokio::spawn(drivers.run(cell.stop.subscribe()));
    // When a withdrawal is authorized
    let id = cell.submit("k-1", 0).await;
    let waits = || cell.parts.progress.withdrawal(&id).map(|waiting| waiting.code);
    eventually(|| waits().as_deref() == Some("WITNESSES_UNAVAILABLE")).await;
    assert!(cell.fakes.iter().all(|fake| fake.sessions().is_empty()), "nodes were asked to sign");
    // Then it is signed as soon as the witness cosigns, on a checkpoint that carries its cosignature
    *witness.manner.lock().unwrap() = Manner::Honest;
    for _ in 0..200 {
        let signed = {
            let reader = cell.parts.book.read().await.unwrap();
            reader.state().withdrawal(&id).unwrap().signature.is_some()
        };
        if signed {
            let notes: Vec<Vec<u8>> = cell.fakes.iter().flat_map(FakeNode::checkpoints_of_orders).collect();
            assert!(!notes.is_empty());
            assert!(notes.iter().all(|note| String::from_utf8_lossy(note).contains(NAME)));
            asking.abort();
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("it was not signed: {:?}", waits());
}

async fn eventually(condition: impl Fn() -> bool) {
    for _ in 0..400 {
        if condition() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("it did not come about");
}
