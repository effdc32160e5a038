//! What the coordinator does for others with the log: outside witnesses, static files for auditors, and a new coordinator
//! that takes the log over from the nodes.

use std::sync::Arc;
use std::time::Duration;

use holdfast_log::tiles::CHECKPOINT_PATH;
use holdfast_log::{SignedCheckpoint, read_export};
use holdfast_proto::v1;
use holdfast_proto::v1::WithdrawalState as State;
use holdfast_proto::v1::cluster_service_client::ClusterServiceClient;
use holdfast_tests::{
    COORDINATOR, CUSTOMER, Cluster, Options, PAYEE, WALLET, Witness, eventually, free_address, now_ms,
};
use holdfast_transport::Role;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

const PATIENCE: Duration = Duration::from_secs(60);
const WITNESS: &str = "witness.example/w1";
const SEED: [u8; 32] = [0x77; 32];
const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

/// A cluster whose genesis document requires one outside witness, none of whose processes runs.
fn witnessed(witness: &str, tiles: &str) -> Cluster {
    let mut cluster = Cluster::make(Options::default());
    cluster.amend_genesis(|document| {
        document["witnesses"] = json!([{"name": WITNESS, "public_key": Witness::public_key(SEED)}]);
        document["witnesses_required"] = 1.into();
    });
    let path = cluster.path(COORDINATOR).join("coordinator.toml");
    let config = std::fs::read_to_string(&path).unwrap();
    let config = format!(
        "tiles_listen = \"{tiles}\"\n{config}\n[[witnesses]]\nname = \"{WITNESS}\"\nurl = \"http://{witness}/add\"\n"
    );
    std::fs::write(&path, config).unwrap();
    cluster
}

fn https_client(cluster: &Cluster, party: Option<(Role, &str)>) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(cluster.path("ca.pem")).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots);
    let mut config = match party {
        Some((role, name)) => {
            let (certificate, key) = cluster.identity_files(role, name);
            let certificate = CertificateDer::from_pem_file(certificate).unwrap();
            builder
                .with_client_auth_cert(vec![certificate], PrivateKeyDer::from_pem_file(key).unwrap())
                .unwrap()
        }
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config
}

/// Status, headers and body of a GET over HTTP/1.1.
async fn get(
    cluster: &Cluster,
    party: Option<(Role, &str)>,
    address: &str,
    path: &str,
) -> std::io::Result<(u16, String, Vec<u8>)> {
    let name = format!("{COORDINATOR}.coordinator.{}.holdfast.internal", cluster.name());
    let tcp = TcpStream::connect(address).await?;
    let tls = TlsConnector::from(Arc::new(https_client(cluster, party)));
    let mut stream = tls.connect(ServerName::try_from(name).unwrap(), tcp).await?;
    stream
        .write_all(format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").as_bytes())
        .await?;
    let mut answer = Vec::new();
    // A peer that is refused may see the connection cut.
    let read = stream.read_to_end(&mut answer).await;
    let Some(end) = answer.windows(4).position(|window| window == b"\r\n\r\n") else {
        return Err(read.err().unwrap_or_else(|| std::io::ErrorKind::UnexpectedEof.into()));
    };
    let head = String::from_utf8_lossy(&answer[..end]).to_lowercase();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Ok((status, head, answer[end + 4..].to_vec()))
}

async fn status(cluster: &Cluster) -> v1::ClusterStatus {
    let channel = cluster.to_coordinator(Role::Operator, "operator").await;
    let request = v1::ClusterStatusRequest {};
    ClusterServiceClient::new(channel).status(request).await.unwrap().into_inner()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_is_witnessed_published_and_outlives_its_coordinator() {
    let (witness_address, tiles) = (free_address(), free_address());
    let cluster = witnessed(&witness_address, &tiles);
    cluster.start_all().await;
    cluster.create_wallet(WALLET).await;
    cluster.whitelist(PAYEE, now_ms() + DAY_MS).await;
    cluster.provider().await.report(CUSTOMER, false, false).await;
    let id = nothing_is_signed_without_the_required_witness(&cluster, &witness_address).await;
    auditors_get_the_log_as_files_and_nobody_else(&cluster, &tiles).await;
    new_coordinator_takes_the_log_over(&cluster, &id).await;
}

async fn nothing_is_signed_without_the_required_witness(cluster: &Cluster, address: &str) -> String {
    // Given that the witness is down
    let pipeline = cluster.pipeline().await;
    let id = pipeline.submit_only(&cluster.request()).await.unwrap().id;
    eventually("the withdrawal waits for the witness", PATIENCE, || async {
        let withdrawal = pipeline.get(&id).await.unwrap();
        let code = withdrawal.reason.clone().unwrap_or_default().code;
        if code == "WITNESSES_UNAVAILABLE" { Ok(()) } else { Err(code) }
    })
    .await;
    assert_eq!(status(cluster).await.witnesses[0].cosigned_size, 0);
    // When a witness of another make is started
    let _witness = Witness::start(cluster, address, WITNESS, SEED);
    // Then the withdrawal is signed, on a checkpoint that the witness cosigned
    pipeline.reaches(&id, State::Signed, PATIENCE).await;
    let status = status(cluster).await;
    assert!(status.witnesses[0].cosigned_size > 0 && status.witnesses_required == 1, "{status:?}");
    // And a second one while the witness is up: it proves that the log grew
    let second = pipeline.submit(&cluster.request()).await.unwrap();
    assert_eq!(second.state(), State::Signed, "{second:?}");
    id
}

async fn auditors_get_the_log_as_files_and_nobody_else(cluster: &Cluster, address: &str) {
    let auditor = Some((Role::Auditor, "auditor"));
    let (code, head, note) = eventually("a checkpoint is published", PATIENCE, || async {
        let answer =
            get(cluster, auditor, address, "/checkpoint").await.map_err(|error| error.to_string())?;
        if answer.0 == 200 { Ok(answer) } else { Err(answer.1) }
    })
    .await;
    assert!(code == 200 && head.contains("cache-control: no-store"), "{head}");
    let note = SignedCheckpoint::parse(&note).unwrap();
    assert!(String::from_utf8_lossy(&note.to_bytes()).contains(WITNESS), "the witness's line is missing");
    // The files are the log that the checkpoint states
    let mut files = std::collections::BTreeMap::new();
    let size = note.claimed().size;
    for path in holdfast_log::TilePath::all_entries(size).chain(holdfast_log::TilePath::all_hashes(size)) {
        let (code, head, body) = get(cluster, auditor, address, &format!("/{path}")).await.unwrap();
        assert!(code == 200 && head.contains("immutable"), "{path}: {head}");
        files.insert(path.to_string(), body);
    }
    let entries = read_export(|path| files.get(path).cloned(), note.claimed()).unwrap();
    assert_eq!(entries.len(), usize::try_from(size).unwrap());
    // Nobody else gets any of it
    let tile = format!("/{}", files.keys().next().unwrap());
    let checkpoint = format!("/{CHECKPOINT_PATH}");
    for party in [(Role::Client, "pipeline"), (Role::Officer, "alice"), (Role::Operator, "operator")] {
        for path in [&tile, &checkpoint] {
            let (code, _, body) = get(cluster, Some(party), address, path).await.unwrap();
            assert_eq!((code, body.as_slice()), (403, b"ROLE_NOT_ALLOWED\n".as_slice()), "{party:?}");
        }
    }
    assert!(get(cluster, None, address, &tile).await.is_err(), "somebody without a certificate was served");
    for path in ["/../coordinator.toml", "/tile/../../coordinator.toml", "/tile/0/001"] {
        assert_eq!(get(cluster, auditor, address, path).await.unwrap().0, 404, "{path}");
    }
}

async fn new_coordinator_takes_the_log_over(cluster: &Cluster, id: &str) {
    let before = status(cluster).await;
    // Given that the coordinator is lost with all that it had on its disk
    cluster.kill_9(COORDINATOR);
    std::fs::remove_dir_all(cluster.path(COORDINATOR).join("data")).unwrap();
    // When a new one is started with the same keys
    cluster.bring_up(COORDINATOR).await;
    // Then nothing that was acknowledged is missing
    let after = status(cluster).await;
    assert!(after.log_size >= before.log_size, "{} entries of {}", after.log_size, before.log_size);
    let kept = cluster.pipeline().await.get(id).await.unwrap();
    assert_eq!((kept.state(), kept.receipt.is_some()), (State::Signed, true));
}
