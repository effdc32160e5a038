//! `holdfast demo`: a whole cell as separate processes on loopback, watched while it signs and while it refuses.
//!
//! It runs the same code as the commands, with the same checks, and fails if anything is not as it says. Whatever
//! happens, no process is left behind unless `--keep` asks for it.

mod expect;
mod place;
mod processes;
mod receipt_file;
mod scenario;
mod story;

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use crate::failure::Failure;
use crate::init::{DemoArgs, DemoCell, make_demo};
use crate::output::{Answer, Output};
use crate::session::Session;
use processes::Processes;
use story::Story;

/// Watch a whole cell sign a withdrawal and refuse thefts
#[derive(Args, Debug)]
pub(crate) struct DemoCommand {
    /// Leave the cell running and print commands to try
    #[arg(long)]
    keep: bool,
    /// Directory of the cell; that of an earlier demo is replaced
    #[arg(long, value_name = "DIR", default_value = "target/demo")]
    dir: PathBuf,
    /// First of the consecutive ports to use on 127.0.0.1; free ones are chosen if absent
    #[arg(long, value_name = "PORT")]
    base_port: Option<u16>,
    /// Storage engine of every process
    #[arg(long, value_name = "ENGINE", default_value = "redb", value_parser = ["redb", "sled"])]
    store: String,
}

pub(crate) async fn run(output: Output, args: &DemoCommand) -> Result<Answer, Failure> {
    let binaries = processes::binaries()?;
    place::clear(&args.dir)?;
    let options = DemoArgs {
        directory: Some(args.dir.clone()),
        base_port: args.base_port,
        store: Some(args.store.clone()),
    };
    let story = Story::new(output);
    story.title(
        "A custody cell: three signer nodes, any two of which sign, and a coordinator that holds no share",
    );
    let cell = make_demo(output, &args.dir, &options)?;
    let mut processes = Processes::start(&binaries, &cell)?;
    place::mark(&args.dir, &processes.pids())?;
    let played = tokio::select! {
        played = Box::pin(play(&story, &cell, &mut processes)) => played,
        () = told_to_stop() => Err(Failure::other("INTERRUPTED", "interrupted")),
    };
    match played {
        Ok(()) if args.keep => {
            processes.keep();
            Ok(answer(&cell, &story, kept(&cell)))
        }
        Ok(()) => {
            processes.stop().await;
            place::mark(&args.dir, &[])?;
            Ok(answer(&cell, &story, ended(&cell)))
        }
        Err(failure) => {
            processes.stop().await;
            place::mark(&args.dir, &[])?;
            let logs = cell.directory.join("logs");
            Err(failure.next(format!("look into `{}`; nothing is left running", logs.display())))
        }
    }
}

/// Ctrl-C, or SIGTERM from whoever runs this program.
async fn told_to_stop() {
    let Ok(mut terminated) = signal(SignalKind::terminate()) else {
        let _ = tokio::signal::ctrl_c().await;
        return;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminated.recv() => {}
    }
}

async fn play(story: &Story, cell: &DemoCell, processes: &mut Processes) -> Result<(), Failure> {
    let session = Session::open(&cell.profile(), story.output())?;
    story.say(&processes.describe(cell));
    processes.wait_until_ready(&session, cell).await?;
    story.say("All four answer on TLS 1.3 with certificates on both sides.");
    scenario::play(story, &session, cell).await
}

fn answer(cell: &DemoCell, story: &Story, text: String) -> Answer {
    let json = json!({
        "directory": cell.directory,
        "cluster": cell.cluster,
        "genesis_sha256": cell.genesis_sha256,
        "profile": cell.profile(),
        "receipt": cell.directory.join("receipt.json"),
        "log": cell.directory.join("log"),
        "steps": story.facts(),
    });
    Answer::new(json, text)
}

/// Commands are pasted into any shell: with whole paths, and with this program on the PATH.
fn whole(directory: &Path) -> PathBuf {
    std::path::absolute(directory).unwrap_or_else(|_| directory.to_owned())
}

fn path_line() -> String {
    let program = std::env::current_exe().ok().and_then(|program| Some(program.parent()?.to_owned()));
    let paths = std::env::var_os("PATH").unwrap_or_default();
    match program {
        Some(at) if !std::env::split_paths(&paths).any(|path| path == at) => {
            format!("  export PATH=\"{}:$PATH\"\n", at.display())
        }
        Some(_) | None => String::new(),
    }
}

fn ended(cell: &DemoCell) -> String {
    let at = whole(&cell.directory);
    let (at, path) = (at.display(), path_line());
    format!(
        "\nEverything was as it should be. All processes have stopped.\n  {at}/receipt.json  the first signed withdrawal with its proofs\n  {at}/log/          the exported log\nTry:\n{path}  holdfast audit verify {at}/log --profile {at}/holdfast.toml\n  holdfast demo --keep   leaves the cell running"
    )
}

fn kept(cell: &DemoCell) -> String {
    let at = whole(&cell.directory);
    let (at, path) = (at.display(), path_line());
    let commands = [
        "holdfast status".to_owned(),
        "holdfast wallet show hot-1".to_owned(),
        "holdfast whitelist list".to_owned(),
        "holdfast withdraw list --all".to_owned(),
        "holdfast officer resume hot-1 --officer alice".to_owned(),
        "holdfast ceremony list".to_owned(),
        "holdfast ceremony approve c-... --officer alice; holdfast ceremony approve c-... --officer bob"
            .to_owned(),
        format!(
            "holdfast withdraw submit '10 USDT' --to {} --wallet hot-1 --customer customer-7f3a --nonce 3 --max-fee-gwei 30 --wait",
            scenario::PAYEE
        ),
        "holdfast audit explain w-...".to_owned(),
        format!("holdfast audit verify {at}/log"),
    ];
    format!(
        "\nThe cell goes on running; its pids are in {at}/{}. Try:\n{path}  export HOLDFAST_PROFILE={at}/holdfast.toml\n  {}\nStop it with: kill $(cat {at}/{})",
        place::PIDS,
        commands.join("\n  "),
        place::PIDS
    )
}
