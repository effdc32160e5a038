//! A reference witness (c2sp.org/tlog-witness, `add-checkpoint`), for tests only: written from the specification, on none of
//! Holdfast's own code, so that it does not share its mistakes.
//!
//! `witness LISTEN NAME SEED STATE LOG...`: serves HTTP/1.1 on LISTEN, signs as NAME with the Ed25519 key made from SEED (32 bytes,
//! hexadecimal), keeps in the directory STATE what it cosigned, and knows the logs LOG, each `<origin>=<public key in
//! hexadecimal>`. A rotated log has one LOG for each of its keys. Serves until killed.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use sha2::{Digest as _, Sha256};

const LARGEST_BODY: usize = 64 << 10;
const PROOF_LINES: usize = 63;

type Hash = [u8; 32];

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("witness: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, listen, name, seed, state, logs @ ..] = arguments.as_slice() else {
        bail!("usage: witness LISTEN NAME SEED STATE ORIGIN=KEY...")
    };
    let mut secret = [0; 32];
    hex::decode_to_slice(seed, &mut secret).context("SEED")?;
    let mut witness = Witness {
        name: name.clone(),
        key: SigningKey::from_bytes(&secret),
        state: PathBuf::from(state),
        logs: BTreeMap::new(),
    };
    for log in logs {
        let (origin, key) = log.split_once('=').context("LOG is not ORIGIN=KEY")?;
        let mut bytes = [0; 32];
        hex::decode_to_slice(key, &mut bytes).context("KEY")?;
        let key = VerifyingKey::from_bytes(&bytes).context("KEY")?;
        witness.logs.entry(origin.to_owned()).or_default().push(key);
    }
    std::fs::create_dir_all(&witness.state)?;
    let listener = TcpListener::bind(listen)?;
    for stream in listener.incoming() {
        // One at a time: checking and remembering are one step.
        if let Err(error) = witness.serve(stream?) {
            eprintln!("witness: {error:#}");
        }
    }
    Ok(())
}

struct Witness {
    name: String,
    key: SigningKey,
    state: PathBuf,
    logs: BTreeMap<String, Vec<VerifyingKey>>,
}

/// Status, content type, body.
type Reply = (u16, &'static str, Vec<u8>);

/// A refusal with this status.
fn refuse(status: u16) -> Reply {
    (status, "text/plain; charset=utf-8", Vec::new())
}

/// A conflict: this is the size that was cosigned last.
fn has_size(size: u64) -> Reply {
    (409, "text/x.tlog.size", format!("{size}\n").into_bytes())
}

impl Witness {
    fn serve(&self, stream: TcpStream) -> anyhow::Result<()> {
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        let (method, path, body) = read_request(&stream)?;
        let reply = match (method.as_str(), path.ends_with("/add-checkpoint")) {
            ("POST", true) => self.add_checkpoint(&body)?,
            (_, true) => refuse(405),
            (_, false) => refuse(404),
        };
        let (status, kind, body) = reply;
        let head = format!(
            "HTTP/1.1 {status} \r\ncontent-type: {kind}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
            body.len()
        );
        let mut stream = stream;
        stream.write_all(&[head.as_bytes(), &body].concat())?;
        Ok(())
    }

    fn add_checkpoint(&self, body: &[u8]) -> anyhow::Result<Reply> {
        let Some(request) = Request::parse(body) else { return Ok(refuse(400)) };
        let Some(keys) = self.logs.get(&request.origin) else { return Ok(refuse(404)) };
        if !keys.iter().any(|key| request.is_signed_by(key)) {
            return Ok(refuse(403));
        }
        if request.old > request.size {
            return Ok(refuse(400));
        }
        let (size, root) = self.last(&request.origin)?;
        if request.old != size {
            return Ok(has_size(size));
        }
        if size == request.size && size > 0 && root != request.root {
            return Ok(has_size(size));
        }
        if !is_consistent(size, root, request.size, request.root, &request.proof) {
            return Ok(refuse(422));
        }
        self.remember(&request.origin, request.size, request.root)?;
        Ok((200, "text/plain; charset=utf-8", self.cosign(&request.text)?.into_bytes()))
    }

    fn file(&self, origin: &str) -> PathBuf {
        self.state.join(hex::encode(Sha256::digest(origin)))
    }

    fn last(&self, origin: &str) -> anyhow::Result<(u64, Hash)> {
        let file = self.file(origin);
        if !file.is_file() {
            return Ok((0, [0; 32]));
        }
        let text = std::fs::read_to_string(&file)?;
        let (size, root) = text.trim().split_once(' ').context("the state is damaged")?;
        let mut bytes = [0; 32];
        hex::decode_to_slice(root, &mut bytes)?;
        Ok((size.parse()?, bytes))
    }

    /// Durable before anybody hears of it.
    fn remember(&self, origin: &str, size: u64, root: Hash) -> anyhow::Result<()> {
        let file = self.file(origin);
        let unfinished = file.with_extension("unfinished");
        let mut written = std::fs::File::create(&unfinished)?;
        writeln!(written, "{size} {}", hex::encode(root))?;
        written.sync_all()?;
        std::fs::rename(&unfinished, &file)?;
        std::fs::File::open(&self.state)?.sync_all()?;
        Ok(())
    }

    /// cosignature/v1: a signature over a header with the time and the checkpoint's text.
    fn cosign(&self, text: &str) -> anyhow::Result<String> {
        #[expect(clippy::disallowed_methods, reason = "a witness has a clock of its own")]
        let time = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        let signature = self.key.sign(format!("cosignature/v1\ntime {time}\n{text}").as_bytes());
        let id = key_id(&self.name, 0x04, &self.key.verifying_key());
        let blob = [id.as_slice(), &time.to_be_bytes(), &signature.to_bytes()].concat();
        Ok(format!("\u{2014} {} {}\n", self.name, BASE64.encode(blob)))
    }
}

/// The first four bytes of SHA-256(name, line feed, type, key).
fn key_id(name: &str, kind: u8, key: &VerifyingKey) -> Vec<u8> {
    let hash = Sha256::new().chain_update(name).chain_update([b'\n', kind]).chain_update(key.as_bytes());
    hash.finalize().iter().take(4).copied().collect()
}

struct Request {
    old: u64,
    proof: Vec<Hash>,
    /// The note's text, with the line feed of its last line.
    text: String,
    origin: String,
    size: u64,
    root: Hash,
    signatures: Vec<(String, Vec<u8>)>,
}

impl Request {
    fn parse(body: &[u8]) -> Option<Self> {
        let (head, note) = std::str::from_utf8(body).ok()?.split_once("\n\n")?;
        let mut head = head.split('\n');
        let old = number(head.next()?.strip_prefix("old ")?)?;
        let proof: Vec<Hash> = head.map(hash).collect::<Option<_>>()?;
        let (text, signatures) = note.split_once("\n\n")?;
        let mut lines = text.split('\n');
        let (origin, size, root) = (lines.next()?, number(lines.next()?)?, hash(lines.next()?)?);
        let signatures = signatures.strip_suffix('\n')?.split('\n').map(|line| {
            let (name, blob) = line.strip_prefix("\u{2014} ")?.split_once(' ')?;
            Some((name.to_owned(), BASE64.decode(blob).ok()?))
        });
        let is_acceptable = proof.len() <= PROOF_LINES && !origin.is_empty();
        is_acceptable.then_some(Self {
            old,
            proof,
            text: format!("{text}\n"),
            origin: origin.to_owned(),
            size,
            root,
            signatures: signatures.collect::<Option<_>>()?,
        })
    }

    /// A note signature by the log: its name is its origin.
    fn is_signed_by(&self, key: &VerifyingKey) -> bool {
        let id = key_id(&self.origin, 0x01, key);
        self.signatures.iter().any(|(name, blob)| {
            let Some((found, signature)) = blob.split_at_checked(4) else { return false };
            let signature = Signature::from_slice(signature);
            *name == self.origin
                && found == id
                && signature
                    .is_ok_and(|signature| key.verify_strict(self.text.as_bytes(), &signature).is_ok())
        })
    }
}

fn number(text: &str) -> Option<u64> {
    let number: u64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

fn hash(text: &str) -> Option<Hash> {
    BASE64.decode(text).ok()?.try_into().ok()
}

/// RFC 9162, section 2.1.4.2: the proof shows that the tree of `old` leaves is the beginning of the tree of `new` leaves.
fn is_consistent(old: u64, old_root: Hash, new: u64, new_root: Hash, proof: &[Hash]) -> bool {
    if old == 0 || old == new {
        return proof.is_empty() && (old == 0 || old_root == new_root);
    }
    let mut path: Vec<Hash> = proof.to_vec();
    if old.is_power_of_two() {
        path.insert(0, old_root);
    }
    let mut path = path.into_iter();
    let (mut fnode, mut snode) = (old.wrapping_sub(1), new.wrapping_sub(1));
    while fnode & 1 == 1 {
        (fnode, snode) = (fnode >> 1, snode >> 1);
    }
    let Some(first) = path.next() else { return false };
    let (mut froot, mut sroot) = (first, first);
    for step in path {
        if snode == 0 {
            return false;
        }
        if fnode & 1 == 1 || fnode == snode {
            (froot, sroot) = (node(step, froot), node(step, sroot));
            while fnode & 1 == 0 && fnode != 0 {
                (fnode, snode) = (fnode >> 1, snode >> 1);
            }
        } else {
            sroot = node(sroot, step);
        }
        (fnode, snode) = (fnode >> 1, snode >> 1);
    }
    froot == old_root && sroot == new_root && snode == 0
}

fn node(left: Hash, right: Hash) -> Hash {
    Sha256::new().chain_update([1]).chain_update(left).chain_update(right).finalize().into()
}

fn read_request(stream: &TcpStream) -> anyhow::Result<(String, String, Vec<u8>)> {
    let mut reader = BufReader::new(stream.take(u64::try_from(LARGEST_BODY)?));
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut words = line.split_whitespace().map(str::to_owned);
    let (method, path) = (words.next().context("no method")?, words.next().context("no path")?);
    let mut length = 0_usize;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header)?;
        let header = header.trim();
        if header.is_empty() {
            break;
        }
        if let Some((name, value)) = header.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse()?;
        }
    }
    ensure!(length <= LARGEST_BODY, "the body is too long");
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let path = Path::new(&path).to_string_lossy().into_owned();
    Ok((method, path, body))
}
