//! Outside witnesses over HTTPS that are silent or lie: signing goes on or stops as the genesis document says, and nothing
//! but a witness's own signature over this very log counts.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use ed25519_dalek::SigningKey;
use holdfast_log::{Checkpoint, Cosigner, Hash, KeyName, SignedCheckpoint};
use holdfast_proto::v1;
use holdfast_proto::v1::WithdrawalState as State;
use holdfast_proto::v1::cluster_service_client::ClusterServiceClient;
use holdfast_tests::{COORDINATOR, Cluster, Options, Witness, eventually, free_address, now_ms};
use holdfast_transport::issue::{CertificateAuthority, Validity};
use holdfast_transport::{PeerIdentity, Role};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::json;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

const PATIENCE: Duration = Duration::from_secs(60);
const ONE: (&str, [u8; 32]) = ("witness.example/w1", [0x11; 32]);
const TWO: (&str, [u8; 32]) = ("witness.example/w2", [0x22; 32]);

/// What a witness's server does with one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    /// What the witness behind it says.
    Honest,
    /// Takes the request and never answers.
    Silent,
    /// A cosignature of its own key in which one bit is wrong.
    WrongSignature,
    /// A cosignature by another key under its name.
    OtherKey,
    /// A genuine cosignature, of another tree.
    OtherTree,
    /// That it has cosigned a larger log.
    Ahead,
    /// That it has cosigned a smaller log, whatever it is asked.
    Behind,
    /// That it refuses.
    Refuses,
    /// A body that does not end.
    Endless,
    /// No HTTP at all.
    Garbage,
}

/// HTTPS in front of a witness, by an authority of its own.
struct Front {
    address: String,
    acts: Arc<Mutex<(VecDeque<Act>, Act)>>,
}

impl Front {
    /// Serves on a free port, with a certificate that this authority issued.
    async fn start(witness: &Witness, behind: &str, authority: &Authority) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let acts = Arc::new(Mutex::new((VecDeque::new(), Act::Honest)));
        let tls = authority.acceptor();
        let (name, key, behind) = (witness.name().to_owned(), witness.key(), behind.to_owned());
        let served = Arc::clone(&acts);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (tls, acts) = (tls.clone(), Arc::clone(&served));
                let (name, key, behind) = (name.clone(), key.clone(), behind.clone());
                tokio::spawn(async move {
                    // A peer that does not trust the authority ends the handshake.
                    let Ok(mut stream) = tls.accept(stream).await else { return };
                    let Some(request) = whole_request(&mut stream).await else { return };
                    let act = next(&acts);
                    answer(&mut stream, act, &request, &behind, &name, &key).await;
                });
            }
        });
        Self { address, acts }
    }

    /// What it does with the next requests, and with all after them.
    fn does(&self, next: &[Act], then: Act) {
        *self.acts.lock().unwrap() = (next.iter().copied().collect(), then);
    }

    fn left(&self) -> usize {
        self.acts.lock().unwrap().0.len()
    }
}

fn next(acts: &Mutex<(VecDeque<Act>, Act)>) -> Act {
    let mut acts = acts.lock().unwrap();
    let then = acts.1;
    acts.0.pop_front().unwrap_or(then)
}

/// The end of a request's head, and the length of its body.
fn head_of(bytes: &[u8]) -> Option<(usize, usize)> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:"))?.trim().parse().ok()?;
    Some((end, length))
}

async fn whole_request(stream: &mut (impl AsyncRead + Unpin)) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    loop {
        if let Some((end, length)) = head_of(&bytes)
            && bytes.len() >= end + length
        {
            return Some(bytes);
        }
        let read = stream.read_buf(&mut bytes).await.ok()?;
        if read == 0 {
            return None;
        }
    }
}

fn reply(status: u16, kind: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 {status} x\r\ncontent-type: {kind}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

async fn answer(
    stream: &mut (impl AsyncWrite + Unpin),
    act: Act,
    request: &[u8],
    behind: &str,
    name: &str,
    key: &SigningKey,
) {
    let (end, _) = head_of(request).unwrap();
    let text = String::from_utf8(request[end..].to_vec()).unwrap();
    let (_, note) = text.split_once("\n\n").unwrap();
    let shown = SignedCheckpoint::parse(note.as_bytes()).unwrap().claimed().clone();
    let line = |key: &SigningKey, checkpoint: &Checkpoint| {
        let cosigner = Cosigner::new(KeyName::new(name).unwrap(), key.clone());
        cosigner.cosign(checkpoint, now_ms() / 1_000).unwrap().to_line()
    };
    let size = |size: u64| reply(409, "text/x.tlog.size", format!("{size}\n").as_bytes());
    let signed = |line: String| reply(200, "text/plain; charset=utf-8", line.as_bytes());
    let bytes = match act {
        Act::Honest => {
            let Ok(mut witness) = TcpStream::connect(behind).await else { return };
            witness.write_all(request).await.unwrap();
            let mut bytes = Vec::new();
            witness.read_to_end(&mut bytes).await.unwrap();
            bytes
        }
        Act::Silent => std::future::pending().await,
        Act::WrongSignature => {
            let mut line = line(key, &shown).into_bytes();
            let place = line.len() - 8;
            line[place] = if line[place] == b'A' { b'B' } else { b'A' };
            signed(String::from_utf8(line).unwrap())
        }
        Act::OtherKey => signed(line(&SigningKey::from_bytes(&[0x99; 32]), &shown)),
        Act::OtherTree => signed(line(key, &Checkpoint { root: Hash([7; 32]), ..shown })),
        Act::Ahead => size(shown.size + 1_000),
        Act::Behind => size(1),
        Act::Refuses => reply(422, "text/plain", b""),
        Act::Endless => {
            let head = b"HTTP/1.1 200 x\r\ncontent-type: text/plain\r\ntransfer-encoding: chunked\r\n\r\n";
            let _ = stream.write_all(head).await;
            while stream.write_all(b"1000\r\n").await.is_ok() {
                if stream.write_all(&[b'x'; 0x1000]).await.is_err()
                    || stream.write_all(b"\r\n").await.is_err()
                {
                    return;
                }
            }
            return;
        }
        Act::Garbage => b"SSH-2.0-OpenSSH_9.9\r\n".to_vec(),
    };
    let _ = stream.write_all(&bytes).await;
    let _ = stream.shutdown().await;
}

/// From now on.
fn month() -> Validity {
    let now = UNIX_EPOCH + Duration::from_millis(now_ms());
    Validity::new(now, Duration::from_secs(30 * 24 * 60 * 60)).unwrap()
}

/// An authority that the cell has nothing to do with.
struct Authority(CertificateAuthority);

impl Authority {
    fn new() -> Self {
        Self(CertificateAuthority::generate("witnesses", &month()).unwrap())
    }

    /// TLS for a server at 127.0.0.1.
    fn acceptor(&self) -> TlsAcceptor {
        let identity = PeerIdentity::new("witnesses", Role::Node, "front").unwrap();
        let (certificate, key) = self.0.issue(&identity, &["127.0.0.1"], &month()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()],
                PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap(),
            )
            .unwrap();
        TlsAcceptor::from(Arc::new(config))
    }
}

/// Who the coordinator's configuration says vouches for the witnesses.
fn configure(cluster: &Cluster, fronts: &[(&str, &Front, &str)]) {
    let path = cluster.path(COORDINATOR).join("coordinator.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let mut text = text.split("\n[[witnesses]]").next().unwrap().to_owned();
    for (name, front, ca) in fronts {
        text += &format!(
            "\n[[witnesses]]\nname = \"{name}\"\nurl = \"https://{}/log\"\nca = \"{ca}\"\n",
            front.address
        );
    }
    std::fs::write(path, text).unwrap();
}

async fn restart(cluster: &Cluster) {
    cluster.kill_9(COORDINATOR);
    cluster.bring_up(COORDINATOR).await;
}

async fn status(cluster: &Cluster, name: &str) -> v1::ClusterWitness {
    let channel = cluster.to_coordinator(Role::Operator, "operator").await;
    let request = v1::ClusterStatusRequest {};
    let status = ClusterServiceClient::new(channel).status(request).await.unwrap().into_inner();
    status.witnesses.into_iter().find(|witness| witness.name == name).unwrap()
}

async fn pays(cluster: &Cluster) {
    let paid = cluster.pipeline().await.submit(&cluster.request()).await.unwrap();
    assert_eq!(paid.state(), State::Signed, "{:?}", paid.reason);
}

#[tokio::test(flavor = "multi_thread")]
async fn witness_that_is_silent_or_lies_counts_for_nothing_and_stops_only_what_genesis_says() {
    // Given two witnesses, of which genesis demands one, behind servers that an authority of their own vouches for
    let mut cluster = Cluster::make(Options::default());
    cluster.amend_genesis(|document| {
        let listed =
            [ONE, TWO].map(|(name, seed)| json!({"name": name, "public_key": Witness::public_key(seed)}));
        document["witnesses"] = json!(listed);
        document["witnesses_required"] = 1.into();
    });
    let authority = Authority::new();
    std::fs::write(cluster.path("coordinator/witness-ca.pem"), authority.0.certificate_pem()).unwrap();
    let behind = [free_address(), free_address()];
    let one = Witness::start(&cluster, &behind[0], ONE.0, ONE.1);
    let two = Witness::start(&cluster, &behind[1], TWO.0, TWO.1);
    let first = Front::start(&one, &behind[0], &authority).await;
    let second = Front::start(&two, &behind[1], &authority).await;
    // And a configuration that names the wrong authority for the first: its server is nobody
    configure(&cluster, &[(ONE.0, &first, "../ca.pem"), (TWO.0, &second, "witness-ca.pem")]);
    cluster.start_all().await;
    cluster.create_wallet(holdfast_tests::WALLET).await;
    cluster.whitelist(holdfast_tests::PAYEE, now_ms() + 86_400_000).await;
    cluster.provider().await.report(holdfast_tests::CUSTOMER, false, false).await;
    // Then the other one is enough
    pays(&cluster).await;
    let unknown = status(&cluster, ONE.0).await;
    assert!(unknown.cosigned_size == 0 && !unknown.last_error.is_empty(), "{unknown:?}");
    assert!(status(&cluster, TWO.0).await.cosigned_size > 0);
    // Likewise if the first is known and silent
    configure(&cluster, &[(ONE.0, &first, "witness-ca.pem"), (TWO.0, &second, "witness-ca.pem")]);
    first.does(&[], Act::Silent);
    restart(&cluster).await;
    pays(&cluster).await;
    lies_are_told_to_people_and_sign_nothing(&cluster, &first, &second).await;
    // And both are believed again
    second.does(&[], Act::Honest);
    restart(&cluster).await;
    pays(&cluster).await;
    for (name, _) in [ONE, TWO] {
        eventually(&format!("`{name}` cosigns"), PATIENCE, || async {
            let stands = status(&cluster, name).await;
            if stands.cosigned_size > 0 && stands.last_error.is_empty() { Ok(()) } else { Err(stands) }
        })
        .await;
    }
}

/// With one silent and the other lying, nothing may be signed, and everybody sees why.
async fn lies_are_told_to_people_and_sign_nothing(cluster: &Cluster, first: &Front, second: &Front) {
    // What is told of them, and how often
    let lies = [
        ([Act::WrongSignature, Act::OtherKey, Act::OtherTree], vec!["no valid cosignature of its own"], 3),
        (
            [Act::Refuses, Act::Garbage, Act::Endless],
            vec!["refuses with HTTP status 422", "is not HTTP", "too long, or was cut off"],
            1,
        ),
        ([Act::Ahead, Act::Behind, Act::Behind], vec!["ALARM: the witness has cosigned a log of"], 1),
    ];
    let pipeline = cluster.pipeline().await;
    let before = cluster.log_text(COORDINATOR).len();
    let mut waiting = None;
    // Pauses after failures grow: a coordinator that was started again asks at once
    for (some, words, often) in lies {
        second.does(&some, Act::Silent);
        restart(cluster).await;
        let id = match &waiting {
            Some(id) => String::clone(id),
            None => pipeline_of(cluster).await,
        };
        eventually("the lies are told", PATIENCE, || async {
            let (left, said) = (second.left(), cluster.log_text(COORDINATOR)[before..].to_owned());
            let told = words.iter().all(|words| said.matches(words).count() >= often);
            if left == 0 && told { Ok(()) } else { Err((left, words.clone())) }
        })
        .await;
        waiting = Some(id);
    }
    let id = waiting.unwrap();
    eventually("the withdrawal waits for a witness", PATIENCE, || async {
        let withdrawal = pipeline.get(&id).await.map_err(|status| status.to_string())?;
        assert_ne!(withdrawal.state(), State::Signed);
        let code = withdrawal.reason.unwrap_or_default().code;
        if code == "WITNESSES_UNAVAILABLE" { Ok(()) } else { Err(code) }
    })
    .await;
    let silent = "no answer within 5000 ms";
    assert!(cluster.log_text(COORDINATOR)[before..].contains(silent), "`{silent}` is missing");
    // When one of them is there again, it is signed
    first.does(&[], Act::Honest);
    restart(cluster).await;
    let signed = cluster.pipeline().await.reaches(&id, State::Signed, PATIENCE).await;
    assert!(signed.receipt.is_some());
}

async fn pipeline_of(cluster: &Cluster) -> String {
    cluster.pipeline().await.submit_only(&cluster.request()).await.unwrap().id
}
