//! Who may call what, asked of the real processes: the table of docs/api.md for every method and every role, and what TLS
//! refuses before any call.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use holdfast_proto::reason_of;
use holdfast_tests::{COORDINATOR, Cluster, NODES, Options, eventually, refused};
use holdfast_transport::client::{self, Endpoint, Timeouts};
use holdfast_transport::issue::{CertificateAuthority, Validity};
use holdfast_transport::{PeerIdentity, Role, TlsIdentity};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tokio_rustls::TlsConnector;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};
use tonic_prost::ProstCodec;

const API: &str = include_str!("../../../docs/api.md");
const PATIENCE: Duration = Duration::from_secs(10);

/// Everybody who has a certificate in a demo cluster.
const EVERYBODY: [(Role, &str); 8] = [
    (Role::Client, "pipeline"),
    (Role::Officer, "alice"),
    (Role::Officer, "carol"),
    (Role::Auditor, "auditor"),
    (Role::Operator, "operator"),
    (Role::Provider, "sessions"),
    (Role::Coordinator, "coordinator"),
    (Role::Node, "node-1"),
];

async fn cluster() -> &'static Cluster {
    static CLUSTER: OnceCell<Cluster> = OnceCell::const_new();
    CLUSTER.get_or_init(|| Cluster::running(Options::default())).await
}

/// The published table: method to roles.
fn published() -> BTreeMap<String, Vec<Role>> {
    let rows = API.lines().skip_while(|line| !line.starts_with("| Method |"));
    let mut rows = rows.take_while(|line| line.starts_with('|'));
    let cells = |row: &str| -> Vec<String> {
        row.trim_matches('|').split('|').map(|cell| cell.trim().trim_matches('`').to_owned()).collect()
    };
    let roles: Vec<Role> =
        cells(rows.next().unwrap())[1..].iter().map(|role| role.parse().unwrap()).collect();
    let methods = rows.skip(1).map(|row| {
        let cells = cells(row);
        let may = roles.iter().zip(&cells[1..]).filter(|(_, mark)| *mark == "x").map(|(role, _)| *role);
        (cells[0].clone(), may.collect())
    });
    methods.collect()
}

/// Calls any method with an empty message, which no method acts on.
async fn call(channel: &Channel, method: &str) -> Result<(), Status> {
    let (service, method) = method.split_once('.').unwrap();
    let path = PathAndQuery::try_from(format!("/holdfast.v1.{service}/{method}")).unwrap();
    let mut grpc = tonic::client::Grpc::new(channel.clone());
    grpc.ready().await.unwrap();
    let calling = grpc.unary(Request::new(()), path, ProstCodec::<(), ()>::default());
    // A watch that is open has not been refused.
    match tokio::time::timeout(Duration::from_millis(300), calling).await {
        Ok(answer) => answer.map(|_| ()),
        Err(_) => Ok(()),
    }
}

#[tokio::test]
async fn every_method_is_open_to_exactly_the_roles_that_the_documentation_names() {
    let cluster = cluster().await;
    let table = published();
    assert!(table.len() > 30, "the table was not found: {table:?}");
    for (role, name) in EVERYBODY {
        let coordinator = cluster.channel(role, name, COORDINATOR).await;
        let node = cluster.channel(role, name, "node-2").await;
        for (method, roles) in &table {
            // Served by providers: `screening.rs` asks one.
            if method.starts_with("RiskProvider") {
                refused(call(&coordinator, method).await, Code::PermissionDenied, "ROLE_NOT_ALLOWED");
                refused(call(&node, method).await, Code::PermissionDenied, "ROLE_NOT_ALLOWED");
                continue;
            }
            let at_node = method.starts_with("NodeService") || method.starts_with("OfficerService");
            let (home, elsewhere) = if at_node { (&node, &coordinator) } else { (&coordinator, &node) };
            let answer = call(home, method).await;
            if roles.contains(&role) {
                let reason = answer.as_ref().err().and_then(reason_of).unwrap_or_default();
                assert_ne!(reason, "ROLE_NOT_ALLOWED", "{role} may call {method}");
            } else {
                refused(answer, Code::PermissionDenied, "ROLE_NOT_ALLOWED");
            }
            // Nobody finds a method where it is not served
            refused(call(elsewhere, method).await, Code::PermissionDenied, "ROLE_NOT_ALLOWED");
        }
    }
}

#[tokio::test]
async fn health_and_reflection_are_open_to_every_role_on_every_server() {
    let cluster = cluster().await;
    for (role, name) in EVERYBODY {
        for server in NODES.iter().chain([&COORDINATOR]) {
            let channel = cluster.channel(role, name, server).await;
            client::probe(&channel, "", PATIENCE).await.unwrap_or_else(|error| panic!("{role}: {error:?}"));
            let path = PathAndQuery::from_static("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo");
            let mut grpc = tonic::client::Grpc::new(channel);
            grpc.ready().await.unwrap();
            let answer = grpc.unary(Request::new(()), path, ProstCodec::<(), ()>::default()).await;
            let reason = answer.err().as_ref().and_then(reason_of).unwrap_or_default();
            assert_ne!(reason, "ROLE_NOT_ALLOWED", "{role} at {server}");
        }
    }
}

async fn probe_as(endpoint: &Endpoint, identity: &TlsIdentity) -> String {
    let channel = match client::connect(endpoint, identity, &Timeouts::default()).await {
        Ok(channel) => channel,
        Err(error) => return error.reason().to_owned(),
    };
    match client::probe(&channel, "", PATIENCE).await {
        Ok(()) => "accepted".to_owned(),
        Err(error) => error.reason().to_owned(),
    }
}

#[tokio::test]
async fn certificates_of_another_authority_expired_ones_and_wrong_servers_are_refused() {
    let cluster = cluster().await;
    let (coordinator, node) = (cluster.endpoint(COORDINATOR), cluster.endpoint("node-1"));
    let pem = |file: &str| std::fs::read_to_string(cluster.path(file)).unwrap();
    let authority = CertificateAuthority::from_pem(&pem("ca.pem"), &pem("ca.key")).unwrap();
    let client = PeerIdentity::new(cluster.name(), Role::Client, "pipeline").unwrap();
    let issued = |authority: &CertificateAuthority, from_s: u64, validity_s: u64| {
        let from = std::time::UNIX_EPOCH + Duration::from_secs(from_s);
        let validity = Validity::new(from, Duration::from_secs(validity_s)).unwrap();
        let (certificate, key) = authority.issue(&client, &[], &validity).unwrap();
        TlsIdentity::from_pem(certificate.as_bytes(), key.as_bytes(), pem("ca.pem").as_bytes()).unwrap()
    };
    let now_s = holdfast_tests::now_ms() / 1_000;
    // Given an authority of the same name that is not ours
    let validity =
        Validity::new(std::time::UNIX_EPOCH + Duration::from_secs(now_s), Duration::from_secs(86_400));
    let foreign = CertificateAuthority::generate(cluster.name(), &validity.unwrap()).unwrap();
    for endpoint in [&coordinator, &node] {
        assert_eq!(probe_as(endpoint, &issued(&authority, now_s, 3_600)).await, "accepted");
        assert_eq!(probe_as(endpoint, &issued(&foreign, now_s, 3_600)).await, "CERTIFICATE_REFUSED");
        assert_eq!(
            probe_as(endpoint, &issued(&authority, now_s - 7_200, 3_600)).await,
            "CERTIFICATE_REFUSED"
        );
    }
    // And a server that is not the one that was meant is refused by the caller
    let me = cluster.identity(Role::Operator, "operator");
    let impostor = Endpoint { expected: node.expected.clone(), ..coordinator };
    assert_eq!(probe_as(&impostor, &me).await, "SERVER_IDENTITY_REFUSED");
    let other = Endpoint { expected: cluster.endpoint("node-2").expected, ..node };
    assert_eq!(probe_as(&other, &me).await, "SERVER_IDENTITY_REFUSED");
}

/// A plain rustls client of some version, with or without a certificate.
fn plain_client(
    cluster: &Cluster,
    version: &'static SupportedProtocolVersion,
    with_certificate: bool,
) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(cluster.path("ca.pem")).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots);
    let mut config = if with_certificate {
        let (certificate, key) = cluster.identity_files(Role::Client, "pipeline");
        let certificate = CertificateDer::from_pem_file(certificate).unwrap();
        builder.with_client_auth_cert(vec![certificate], PrivateKeyDer::from_pem_file(key).unwrap()).unwrap()
    } else {
        builder.with_no_client_auth()
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    config
}

/// Whether the server ever says anything to this client over TLS.
async fn is_spoken_to(address: &str, config: ClientConfig) -> bool {
    let tcp = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let Ok(mut stream) = TlsConnector::from(Arc::new(config)).connect(name, tcp).await else { return false };
    // An HTTP/2 server begins with its settings, once the peer is verified.
    let mut first = [0; 1];
    let _ = stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await;
    matches!(tokio::time::timeout(PATIENCE, stream.read(&mut first)).await, Ok(Ok(1)))
}

#[tokio::test]
async fn connections_below_tls_1_3_or_without_a_certificate_get_nowhere() {
    use rustls::version::{TLS12, TLS13};
    let cluster = cluster().await;
    for server in ["node-1", COORDINATOR] {
        let address = &cluster.server(server).address;
        assert!(is_spoken_to(address, plain_client(cluster, &TLS13, true)).await, "{server}: the good one");
        assert!(!is_spoken_to(address, plain_client(cluster, &TLS12, true)).await, "{server}: TLS 1.2");
        assert!(
            !is_spoken_to(address, plain_client(cluster, &TLS13, false)).await,
            "{server}: no certificate"
        );
        // Plain text is not answered in plain text
        let mut tcp = TcpStream::connect(address).await.unwrap();
        tcp.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
        let mut answer = Vec::new();
        let _ =
            tokio::time::timeout(PATIENCE, tcp.read_to_end(&mut answer)).await.expect("the connection ends");
        assert!(!answer.windows(4).any(|window| window == b"HTTP"), "{server} answered in plain text");
    }
}

/// The certificate that a server shows now.
async fn shown_by(cluster: &Cluster, server: &str) -> CertificateDer<'static> {
    let tcp = TcpStream::connect(&cluster.server(server).address).await.unwrap();
    let config = plain_client(cluster, &rustls::version::TLS13, true);
    let name = ServerName::try_from("localhost").unwrap();
    let stream = TlsConnector::from(Arc::new(config)).connect(name, tcp).await.unwrap();
    stream.get_ref().1.peer_certificates().unwrap()[0].clone()
}

async fn says(cluster: &Cluster, server: &str, what: &str, times: usize) {
    eventually(&format!("{server}: {what}"), PATIENCE, || async {
        let seen = cluster.log_text(server).matches(what).count();
        if seen >= times { Ok(()) } else { Err(seen) }
    })
    .await;
}

#[tokio::test]
async fn certificate_is_replaced_by_a_signal_and_never_by_one_that_does_not_fit() {
    let cluster = Cluster::running(Options::default()).await;
    let read = |name: &str| std::fs::read_to_string(cluster.path(name)).unwrap();
    let authority = CertificateAuthority::from_pem(&read("ca.pem"), &read("ca.key")).unwrap();
    for (server, role) in [("node-1", Role::Node), (COORDINATOR, Role::Coordinator)] {
        let (certificate, key) = cluster.identity_files(role, server);
        let before = shown_by(&cluster, server).await;
        // Given garbage, somebody else's certificate, and a key of another certificate
        let (others, others_key) = cluster.identity_files(Role::Node, "node-2");
        let (own, own_key) = (std::fs::read(&certificate).unwrap(), std::fs::read(&key).unwrap());
        let (others, others_key) = (std::fs::read(others).unwrap(), std::fs::read(others_key).unwrap());
        let unfit = [(b"garbage".to_vec(), own_key.clone()), (others, others_key.clone()), (own, others_key)];
        for (times, (certificate_pem, key_pem)) in (1..).zip(unfit) {
            std::fs::write(&certificate, certificate_pem).unwrap();
            std::fs::write(&key, key_pem).unwrap();
            cluster.hang_up(server);
            // Then the old one stays
            says(&cluster, server, "the new certificate is not used", times).await;
            assert_eq!(shown_by(&cluster, server).await, before, "{server}");
        }
        // And given a new one of the same identity, it is shown from then on
        let issued_at = std::time::UNIX_EPOCH + Duration::from_millis(holdfast_tests::now_ms() - 60_000);
        let validity = Validity::new(issued_at, Duration::from_secs(3_600)).unwrap();
        let identity = cluster.endpoint(server).expected;
        let (renewed, renewed_key) = authority.issue(&identity, &["localhost"], &validity).unwrap();
        std::fs::write(&certificate, &renewed).unwrap();
        std::fs::write(&key, renewed_key.as_bytes()).unwrap();
        cluster.hang_up(server);
        says(&cluster, server, "certificate read again", 1).await;
        let after = shown_by(&cluster, server).await;
        assert_eq!(after, CertificateDer::from_pem_slice(renewed.as_bytes()).unwrap(), "{server}");
        cluster.answers(server).await.unwrap();
    }
}

#[tokio::test]
async fn metrics_are_served_on_loopback_and_name_no_customer() {
    let cluster = cluster().await;
    for server in NODES.iter().chain([&COORDINATOR]) {
        let file = if *server == COORDINATOR { "coordinator" } else { "node" };
        let config = std::fs::read_to_string(cluster.path(server).join(format!("{file}.toml"))).unwrap();
        let line = config.lines().find(|line| line.starts_with("metrics_listen")).unwrap();
        let address = line.split('"').nth(1).unwrap();
        assert!(address.starts_with("127.0.0.1:"));
        let mut tcp = TcpStream::connect(address).await.unwrap();
        tcp.write_all(b"GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
            .await
            .unwrap();
        let mut page = String::new();
        tcp.read_to_string(&mut page).await.unwrap();
        assert!(page.starts_with("HTTP/1.1 200") && page.contains("holdfast_"), "{server}: {page}");
        assert!(!page.contains("customer"), "{server}");
    }
}
